"""What is wrong with an audio file, in a sentence that names it and says what to do."""

from __future__ import annotations

import struct
from pathlib import Path

# Programs that write wav into a pipe do not know its length and put a huge number (or 0) into the header.
UNKNOWN_WAV_SIZE = 0x7FFF0000
# First bytes of WebM and Matroska, WMA, AMR; MP4 and M4A have "ftyp" at byte 4.
_OTHER_FORMATS = (b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75", b"#!AM")


def no_samples(path: Path, start: float, total: float) -> str:
    """Why the part from `start` seconds has no samples in a file of `total` seconds."""
    if total == 0:
        return f"{path} has no samples: copy or download it again, or remove it"
    return f"{path} is {total:.3f} s long and has nothing at {start:.3f} s: check the segment times of the corpus"


def truncated(path: Path) -> str:
    """Why not all samples of the file could be read."""
    return f"{path} is truncated, it has fewer samples than its header says: copy or download it again"


def unreadable(path: Path) -> str:
    """Why libsndfile could not open or decode the file, in a sentence."""
    if not path.exists():
        return f"{path} does not exist: copy or download it again"
    if not path.is_file():
        return f"{path} is not a file: audio was expected there"
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}): change its permissions"
    if not head:
        return f"{path} is empty: copy or download it again"
    if head[:4] in (b"RIFF", b"fLaC", b"RF64"):
        return f"{path} is truncated or damaged: copy or download it again"
    if head[4:8] == b"ftyp" or head[:4] in _OTHER_FORMATS:
        return f"{path} is in a format that libsndfile cannot read: convert it to wav or flac, for example with ffmpeg"
    return f"{path} is not audio, whatever its name says: replace it by the real file, or remove it"


def is_truncated_wav(path: Path) -> bool:
    """Whether a RIFF file ends before its data chunk does; libsndfile reads such a file without a word."""
    with open(path, "rb") as file:
        if file.read(4) != b"RIFF":
            return False
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name == b"data":
                return size < UNKNOWN_WAV_SIZE and file.tell() + size > path.stat().st_size
            # Chunks are padded to an even number of bytes.
            file.seek(size + size % 2, 1)
    return False

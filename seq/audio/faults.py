"""What is wrong with an audio file, in a sentence that names it and says what to do."""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from pathlib import Path

# Programs that write wav into a pipe do not know its length and put a huge number (or 0) into the header.
UNKNOWN_WAV_SIZE = 0x7FFF0000
# First bytes of WebM and Matroska, WMA, AMR, FLV, MPEG, MPEG's transport, raw AAC; MP4, M4A, MOV have theirs at byte 4.
_OTHER_FORMATS = (
    *(b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75", b"#!AM", b"FLV\x01", b"\x00\x00\x01\xba", b"G@"),
    *(b"\xff\xf1", b"\xff\xf9", b"\xff\xf0", b"\xff\xf8"),
)
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide")
_KNOWN_FORMATS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"caff", b"NIST")
# What libsndfile notes where a header and the file disagree: "SSND : 160008 (should be 79981)".
_DISAGREEMENT = re.compile(r"(\d+) \(should be (\d+)\)")
# Sizes in headers are often some fields too large.
_HEADER_BYTES = 128
# RFC 3533: a page has at most 27 bytes, 255 lengths of segments, and these segments.
_OGG_HEADER, _OGG_PAGE, _OGG_LAST = 27, 27 + 255 + 255 * 255, 4


def no_samples(path: Path, start: float, total: float) -> str:
    """Why the part from `start` seconds has no samples in a file of `total` seconds."""
    if total == 0:
        return f"{path} has no samples: copy or download it again, or remove it"
    return f"{path} is {total:.3f} s long and has nothing at {start:.10g} s: check the times of the segment"


def truncated(path: Path) -> str:
    """Why not all samples of the file could be read."""
    return f"{path} is truncated, it has fewer samples than its header says: copy or download it again"


def not_a_file(path: Path) -> str | None:
    """Why nothing could be read at `path`, whatever it held; None for a file. A pipe is not opened: that would wait."""
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            open(path, "rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return f"{path} does not exist: copy or download it again"
    except PermissionError as error:
        return f"{path} cannot be read ({error.strerror}): change its permissions"
    except OSError as error:
        what = "is a symbolic link in a circle" if error.errno == errno.ELOOP else f"cannot be read ({error.strerror})"
        return f"{path} {what}: replace it by the real file, or remove it"
    except ValueError:
        return f"{path} is no name of a file: check the list that it comes from"
    if stat.S_ISDIR(status.st_mode):
        return f"{path} is not a file: audio was expected there"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a file but a pipe or a device: write its audio to a file first"
    return None if status.st_size else f"{path} is empty: copy or download it again"


def unreadable(path: Path, has_ffmpeg: bool = False) -> str:
    """Why libsndfile could not open or decode the file, nor FFmpeg where it is there, in a sentence."""
    if sentence := not_a_file(path):
        return sentence
    with open(path, "rb") as file:
        head = file.read(12)
    is_video = head[:4] == b"RIFF" and head[8:] == b"AVI "
    if head[:4] in _KNOWN_FORMATS and not is_video:
        return f"{path} is truncated or damaged: copy or download it again"
    if not is_video and head[4:8] not in _MP4_BOXES and not head.startswith(_OTHER_FORMATS):
        return f"{path} is not audio, whatever its name says: replace it by the real file, or remove it"
    if has_ffmpeg:
        return f"{path} is truncated or damaged, or nothing that FFmpeg can read: copy it again, or convert it to wav"
    return (
        f"{path} is in a format that libsndfile cannot read: pip install av (the extra formats), or convert it to wav "
        "or flac"
    )


def undecodable(path: Path) -> str:
    """Why FFmpeg stopped in the middle of a file."""
    return f"{path} cannot be decoded to its end, it is truncated, damaged or encrypted: copy or download it again"


def is_truncated(path: Path, log: str) -> bool:
    """Whether a file ends before its audio does; libsndfile reads such a wav, ogg, aiff or au without a word.

    Args:
        log: what libsndfile noted when it opened the file (`SoundFile.extra_info`).
    """
    with open(path, "rb") as file:
        head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"AVI ":
        size = int.from_bytes(head[4:8], "little")
        return size < UNKNOWN_WAV_SIZE and 8 + size > path.stat().st_size
    if head[:4] == b"RIFF":
        return _is_truncated_wav(path)
    if head[:4] == b"OggS":
        return _is_truncated_ogg(path)
    sizes = [(int(claimed), int(real)) for claimed, real in _DISAGREEMENT.findall(log)]
    return any(real + _HEADER_BYTES < claimed < UNKNOWN_WAV_SIZE for claimed, real in sizes)


def _is_truncated_wav(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name == b"data":
                return size < UNKNOWN_WAV_SIZE and file.tell() + size > path.stat().st_size
            # Chunks are padded to an even number of bytes.
            file.seek(size + size % 2, 1)
    return False


def _is_truncated_ogg(path: Path) -> bool:
    """Whether the last page is not whole, or does not say that it is the last."""
    with open(path, "rb") as file:
        file.seek(max(path.stat().st_size - 2 * _OGG_PAGE, 0))
        tail = file.read()
    start = tail.rfind(b"OggS")
    page = tail[start:]
    if start < 0 or len(page) < _OGG_HEADER:
        return True
    segments = page[_OGG_HEADER : _OGG_HEADER + page[26]]
    is_whole = len(segments) == page[26] and len(page) >= _OGG_HEADER + len(segments) + sum(segments)
    return not (is_whole and page[5] & _OGG_LAST)

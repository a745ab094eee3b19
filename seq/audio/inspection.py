"""Stage 0's look at an audio file: decoded whole, and described."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seq.audio.opening import mono_blocks, open_audio
from seq.audio.reading import MIN_SAMPLES, SAMPLING_RATE, resampled_length
from seq.audio.streams import resample_stream
from seq.audio.trimming import Trimmer
from seq.errors import InputError


def inspect_audio(path: Path | str, trim: bool) -> dict[str, Any]:
    """Decode a whole file and describe it: a row of the audio table, without its path. Memory does not grow with it.

    Keys: sampling_rate (Hz), num_channels, num_samples (at that rate), silent, start and end (seconds: the part
    that `trim_silence` keeps, or everything where `trim` is off or the file is silent), digest (of the decoded samples:
    copies have the same, in whatever format).

    Raises:
        InputError: as `seq.audio.reading.read_audio`, and for a file that is too short for one frame of features
            (25 ms).
    """
    # On the 16 kHz signal, so that the rule keeps the same part of a 48 kHz file and of its 16 kHz copy.
    trimmer, digest = Trimmer(SAMPLING_RATE), hashlib.blake2b(digest_size=16)
    with open_audio(path) as file:
        rate, num_channels, num_samples = file.samplerate, file.channels, file.frames
        for block in resample_stream(_digested(mono_blocks(file, path), digest), rate):
            trimmer.push(block)
    start, end = 0.0, num_samples / rate
    if resampled_length(num_samples, rate) < MIN_SAMPLES:
        raise InputError(f"{path} is {1000 * end:.0f} ms long, less than one frame of 25 ms: remove it or replace it")
    if trim and not trimmer.silent:
        kept_start, kept_end = trimmer.kept()
        start, end = kept_start, min(kept_end, end)
    return {
        "sampling_rate": rate,
        "num_channels": num_channels,
        "num_samples": num_samples,
        "silent": trimmer.silent,
        "start": round(start, 6),
        "end": round(end, 6),
        "digest": digest.hexdigest(),
    }


def _digested(blocks: Iterable[np.ndarray], digest: hashlib.blake2b) -> Iterator[np.ndarray]:
    """The blocks as they are, and their samples in the digest."""
    for block in blocks:
        digest.update(block.tobytes())
        yield block

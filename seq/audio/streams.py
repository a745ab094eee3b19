"""`seq.audio.reading` for recordings that memory should not hold: the same samples, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from seq.audio.faults import is_truncated_wav, no_samples, truncated, unreadable
from seq.audio.reading import SAMPLING_RATE, check_finite, import_soxr
from seq.errors import InputError

BLOCK_SECONDS = 10


def stream_audio(path: Path | str, start: float = 0.0, duration: float | None = None) -> Iterator[np.ndarray]:
    """As `read_audio`, in blocks of some 10 s: for recordings that memory should not hold.

    The blocks differ from what `read_audio` returns by rounding of the resampler, less than 1e-5.

    Raises:
        InputError: as `read_audio`; after some blocks where the damage lies further on.
    """
    path = Path(path)
    try:
        with soundfile.SoundFile(path) as file:
            first = int(start * file.samplerate + 0.5)
            rest = file.frames - first
            wanted = rest if duration is None else min(int(duration * file.samplerate + 0.5), rest)
            if wanted <= 0:
                raise InputError(no_samples(path, start, file.frames / file.samplerate))
            file.seek(first)
            yield from resample_stream(_blocks(file, path, wanted), file.samplerate)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(unreadable(path)) from error


def _blocks(file: soundfile.SoundFile, path: Path, wanted: int) -> Iterator[np.ndarray]:
    while wanted > 0:
        block = file.read(min(wanted, BLOCK_SECONDS * file.samplerate), dtype="float32", always_2d=True)
        if not len(block) or is_truncated_wav(path):
            raise InputError(truncated(path))
        wanted -= len(block)
        yield check_finite(block.mean(axis=1), path)


def resample_stream(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """As `resample`, for a signal that comes in blocks (T,)."""
    if rate == SAMPLING_RATE:
        yield from blocks
        return
    resampler = stream_resampler(rate)
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def stream_resampler(rate: int) -> Any:
    """A soxr.ResampleStream from `rate` to 16 kHz, mono, of the same quality as `resample`."""
    return import_soxr().ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")

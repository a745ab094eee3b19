"""`seq.audio.reading` for recordings that memory should not hold: the same samples, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seq.audio.opening import mono_blocks, open_audio
from seq.audio.reading import SAMPLING_RATE, import_soxr, resample


def stream_audio(path: Path | str, start: float = 0.0, duration: float | None = None) -> Iterator[np.ndarray]:
    """As `read_audio`, in blocks of up to 30 s: for recordings that memory should not hold.

    More than one block differs from what `read_audio` returns by rounding of the resampler, less than 1e-5.

    Raises:
        InputError: as `read_audio`; after some blocks where the damage lies further on.
    """
    with open_audio(path) as file:
        yield from resample_stream(mono_blocks(file, path, start, duration), file.samplerate)


def resample_stream(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """As `resample`, for a signal that comes in blocks (T,); exactly so for a single one."""
    if rate == SAMPLING_RATE:
        yield from blocks
        return
    rest = iter(blocks)
    first, second = next(rest, None), next(rest, None)
    if first is None:
        return
    if second is None:
        yield resample(first, rate)
        return
    resampler = stream_resampler(rate)
    for block in (first, second):
        yield resampler.resample_chunk(block)
    for block in rest:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def stream_resampler(rate: int) -> Any:
    """A soxr.ResampleStream from `rate` to 16 kHz, mono, of the same quality as `resample`."""
    return import_soxr().ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")

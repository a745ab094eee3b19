"""Arrays that callers bring: checked and mixed down to mono."""

from __future__ import annotations

import numpy as np

from seq.audio.opening import check_finite, is_rate
from seq.errors import InputError

MAX_CHANNELS = 64


def check_rate(rate: int) -> int:
    """The rate itself. Raises InputError unless it is a plausible number of samples a second."""
    if not is_rate(rate):
        raise InputError(f"a rate of {rate} Hz is not one of audio: pass samples a second, for example 16000")
    return int(rate)


def to_mono(waveform: np.ndarray) -> np.ndarray:
    """(T,) or (T, channels), float in [-1, 1] or signed integer -> (T,) float32, the mean of the channels.

    Raises:
        InputError: another shape or type, or NaN.
    """
    array = np.asarray(waveform)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MAX_CHANNELS):
        raise InputError(f"the waveform has the shape {array.shape}: pass (samples,) or (samples, channels)")
    if array.dtype.kind == "i":
        array = array / -float(np.iinfo(array.dtype).min)
    elif array.dtype.kind != "f":
        raise InputError(f"the waveform is of type {array.dtype}: pass floats in [-1, 1] or signed integers")
    mono = array if array.ndim == 1 else array.mean(axis=1)
    return check_finite(np.asarray(mono, dtype=np.float32), "the waveform")

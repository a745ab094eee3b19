"""Arrays that callers bring: checked."""

from __future__ import annotations

import numpy as np

from seq.audio.opening import is_rate
from seq.errors import InputError

MAX_CHANNELS = 64


def check_rate(rate: int) -> int:
    """The rate itself. Raises InputError unless it is a plausible number of samples a second."""
    if not is_rate(rate):
        raise InputError(f"a rate of {rate} Hz is not one of audio: pass samples a second, for example 16000")
    return int(rate)


def to_channels(waveform: np.ndarray) -> np.ndarray:
    """(T,) or (T, channels), float in [-1, 1] or signed integer -> (T, channels) floats.

    Raises:
        InputError: another shape or type.
    """
    array = np.asarray(waveform)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MAX_CHANNELS):
        raise InputError(f"the waveform has the shape {array.shape}: pass (samples,) or (samples, channels)")
    if array.dtype.kind == "i":
        array = array / -float(np.iinfo(array.dtype).min)
    elif array.dtype.kind != "f":
        raise InputError(f"the waveform is of type {array.dtype}: pass floats in [-1, 1] or signed integers")
    return array if array.ndim == 2 else array[:, np.newaxis]

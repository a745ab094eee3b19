"""The level of speech, and every utterance brought to the same one, in training and prediction alike.

How loud a voice is in a file depends on a gain and a distance that nobody knows: it says nothing of the speaker.
"""

from __future__ import annotations

import numpy as np

from seq.audio.frames import frame_samples, frame_sums
from seq.audio.reading import SAMPLING_RATE
from seq.audio.trimming import is_silent

# The level (RMS, dB full scale) that networks hear: the nominal one of ITU-T P.56.
LEVEL_DB = -26.0
# What is further below the loudest frame is a pause, or the weak end of a word.
ACTIVE_BELOW_PEAK_DB = 20.0


def speech_level(samples: np.ndarray) -> float:
    """The level (dB full scale) of the speech in (S,) samples, 16 kHz: the RMS over the frames where somebody speaks.

    These are the frames within 20 dB of the loudest one, so that pauses do not count, and the measure moves with the
    samples: 6 dB where they are twice as large. A constant offset is no sound. Silence has a level of -inf.
    """
    if not len(samples):
        return -np.inf
    signal = samples - samples.mean(dtype=np.float64)
    if is_silent(signal):
        return -np.inf
    length, _ = frame_samples(SAMPLING_RATE)
    power = frame_sums(np.square(signal), SAMPLING_RATE) / length
    if not len(power):
        power = np.square(signal).mean(keepdims=True)
    active = power[power >= power.max() * 10 ** (-ACTIVE_BELOW_PEAK_DB / 10)]
    return float(10 * np.log10(active.mean()))


def normalise_level(samples: np.ndarray) -> np.ndarray:
    """(S,) samples, 16 kHz, with their speech at `LEVEL_DB`, float32: the same of x and of 0.1 x. Silence stays it."""
    level = speech_level(samples)
    if not np.isfinite(level):
        return samples
    return (samples * np.float64(10 ** ((LEVEL_DB - level) / 20))).astype(np.float32)

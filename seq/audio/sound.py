"""What a stretch of sound is, before anybody asks what it means: its band, steady tones, a voice. Needs numpy only.

All three come from the spectra of frames of 64 ms, side by side, and none of them from the level:

band     narrow where the loudest 500 Hz from 4.5 to 8 kHz lie more than 40 dB under the loudest from 1 to 4 kHz. Of 200
         utterances of RAVDESS and nEMO as they are, none lies more than 38 dB under; at 8 kHz all lie 96 dB or more,
         and through Opus at 6 kbit/s 40 dB or more.
tones    the spectra of neighbours are alike: their cosine is above 0.93 for half of them. Notes and chords have 0.99
         and more, noise below 0.9, and no speech that was looked at more than 0.89.
voice    a tenth of the frames or more have a clear pitch. Of clean speech 40 % or more have one, of noise hardly any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from seq.audio.pitch import is_periodic
from seq.audio.reading import SAMPLING_RATE
from seq.audio.trimming import is_silent

Band = Literal["narrow", "wide"]
# Above this a telephone has nothing (Hz).
NARROW_HZ: Final = 4000

_FRAME: Final = 1024
_STEP_HZ: Final = 500
_BELOW_HZ: Final = range(1000, NARROW_HZ, _STEP_HZ)
# The filter that takes away what is above 4 kHz needs some room.
_ABOVE_HZ: Final = range(4500, SAMPLING_RATE // 2, _STEP_HZ)
_BAND_DB: Final = 40.0
# What is further below the loudest frame is a pause.
_ACTIVE_DB: Final = 20.0
_STEADY: Final = 0.93
# In noise chance gives peaks of 0.5 and more.
_MIN_PEAK: Final = 0.6
_MIN_VOICED: Final = 0.1
# Frames that are looked at for tones and for a voice, evenly drawn.
_NUM_LOOKED_AT: Final = 48


@dataclass(frozen=True)
class Sound:
    """`band`: None where nothing is heard."""

    band: Band | None
    is_tonal: bool
    has_voice: bool


def listen(samples: np.ndarray) -> Sound:
    """What (S,) samples at 16 kHz are, whatever their level; of less than 64 ms there is one frame."""
    if not len(samples):
        return Sound(None, False, False)
    signal = samples - samples.mean(dtype=np.float64)
    if is_silent(signal):
        return Sound(None, False, False)
    length = min(_FRAME, len(signal))
    frames = signal[: len(signal) // length * length].reshape(-1, length)
    spectra = np.abs(np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * np.hanning(length), _FRAME))
    power = np.square(frames).mean(axis=1)
    active = power >= power.max() * 10 ** (-_ACTIVE_DB / 10)
    looked_at = _evenly(np.flatnonzero(active))
    has_voice = bool(is_periodic(frames[looked_at], _MIN_PEAK).mean() >= _MIN_VOICED)
    return Sound(_band(np.square(spectra).mean(axis=0)), _is_tonal(spectra, active), has_voice)


def _band(density: np.ndarray) -> Band | None:
    """Of the power (F,) at every frequency."""

    def loudest(starts: range) -> float:
        bins = [[round(hz * _FRAME / SAMPLING_RATE) for hz in (start, start + _STEP_HZ)] for start in starts]
        return max(float(density[first:last].mean()) for first, last in bins)

    below, above = loudest(_BELOW_HZ), loudest(_ABOVE_HZ)
    return "narrow" if above < below * 10 ** (-_BAND_DB / 10) else "wide"


def _is_tonal(spectra: np.ndarray, active: np.ndarray) -> bool:
    """Of amplitudes (T, F), whether those of neighbours that are both `active` (T,) are mostly alike."""
    first = _evenly(np.flatnonzero(active[:-1] & active[1:]))
    if not len(first):
        return False
    one, other = spectra[first], spectra[first + 1]
    sizes = np.square(one).sum(axis=1) * np.square(other).sum(axis=1)
    return bool(np.median((one * other).sum(axis=1) / np.sqrt(np.maximum(sizes, 1e-30))) > _STEADY)


def _evenly(numbers: np.ndarray) -> np.ndarray:
    """At most 48 of (K,) numbers, evenly drawn."""
    count = min(len(numbers), _NUM_LOOKED_AT)
    return numbers[np.linspace(0, len(numbers) - 1, count).astype(np.int64)] if count else numbers

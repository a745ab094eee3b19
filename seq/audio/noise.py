"""Noise under speech: synthetic colours, and babble of other voices, at a ratio to the level of active speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from seq.audio.level import speech_level
from seq.audio.reading import SAMPLING_RATE

# The power of a colour falls with frequency to this power of it: pink 3 dB an octave, brown 6 dB.
COLOURS: Final = {"white": 0.0, "pink": 1.0, "brown": 2.0}
# What is below is no noise that one hears, and would be most of brown noise.
LOWEST_HZ: Final = 20.0


def coloured_noise(num_samples: int, colour: str, rng: np.random.Generator) -> np.ndarray:
    """(S,) float32 of a colour, 16 kHz, with an RMS of 1."""
    return sloped_noise(num_samples, COLOURS[colour], rng)


def sloped_noise(num_samples: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """(S,) float32 whose power falls with this power of frequency, 16 kHz, with an RMS of 1."""
    # Of an even number of samples, so that any has a spectrum.
    size = max(num_samples + num_samples % 2, 2)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLING_RATE)
    spectrum = rng.standard_normal(len(hertz)) + 1j * rng.standard_normal(len(hertz))
    spectrum *= np.where(hertz >= LOWEST_HZ, np.maximum(hertz, LOWEST_HZ) ** (-slope / 2), 0.0)
    return _with_unit_rms(np.fft.irfft(spectrum, size)[:num_samples])


def babble(num_samples: int, voices: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """(S,) float32 in which all voices, (S_i,) each, talk at once and equally loud, with an RMS of 1.

    Each begins at a random place and starts anew where it ends.
    """
    total = np.zeros(num_samples)
    for voice in voices:
        if np.isfinite(level := speech_level(voice)):
            turns = -(-(num_samples + len(voice)) // len(voice))
            start = int(rng.integers(len(voice)))
            total += 10 ** (-level / 20) * np.tile(voice, turns)[start : start + num_samples]
    return _with_unit_rms(total)


def add_noise(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """(S,) speech and (S,) noise with an RMS of 1 at a ratio of the levels of active speech and noise; float32.

    Silence stays it: there is nothing to which the noise could have a ratio.
    """
    level = speech_level(speech)
    if not np.isfinite(level):
        return speech
    return (speech + noise * 10 ** ((level - snr_db) / 20)).astype(np.float32)


def _with_unit_rms(noise: np.ndarray) -> np.ndarray:
    rms = np.sqrt(np.square(noise).mean()) if len(noise) else 0.0
    return (noise / rms if rms > 0 else noise).astype(np.float32)

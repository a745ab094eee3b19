"""The level of speech is that of its loud frames, and what is brought to one level is the same whatever the gain."""

from __future__ import annotations

import numpy as np
import pytest
from corpus_builders import speech_like

from seq.audio.level import LEVEL_DB, normalise_level, speech_level

RATE = 16000


@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_pauses_and_an_offset_do_not_count(offset: float) -> None:
    # Half the square of the amplitude is the power of a tone; frames of 25 ms hold whole periods of 200 Hz.
    tone = 0.1 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)
    expected = 10 * np.log10(0.1**2 / 2)
    assert speech_level(tone + offset) == pytest.approx(expected, abs=1e-6)
    rng = np.random.default_rng(0)
    for seconds in (0.5, 3.0, 15.0):
        # A pause with a noise 40 dB below; of the frames at the edges a part is tone.
        pause = 1e-2 * 0.1 / np.sqrt(2) * rng.standard_normal(round(seconds * RATE))
        spoken = np.concatenate([pause, tone, pause, tone]) + offset
        assert speech_level(spoken) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("seconds", [0.01, 0.025, 0.4, 3.0])
@pytest.mark.parametrize("gain", [1e-3, 0.1, 3.7, 100.0])
def test_what_is_brought_to_one_level_is_the_same_whatever_the_gain(seconds: float, gain: float) -> None:
    samples = speech_like(seconds, RATE, seed=1)
    assert speech_level(gain * samples) == pytest.approx(speech_level(samples) + 20 * np.log10(gain), abs=1e-3)
    found = normalise_level((gain * samples).astype(np.float32))
    assert found.dtype == np.float32 and speech_level(found) == pytest.approx(LEVEL_DB, abs=1e-3)
    np.testing.assert_allclose(found, normalise_level(samples), atol=1e-4)


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.zeros(0), np.full(RATE, 5e-5), np.full(RATE, 0.3)])
def test_silence_stays_silence(samples: np.ndarray) -> None:
    assert speech_level(samples) == -np.inf
    np.testing.assert_array_equal(normalise_level(samples), samples)

"""Noises have the colour and the level that they say, and babble is what the voices say together."""

from __future__ import annotations

import numpy as np
import pytest
from corpus_builders import speech_like
from scipy import signal

from seq.audio.level import speech_level
from seq.audio.noise import add_noise, babble, coloured_noise

RATE = 16000


@pytest.mark.parametrize(("colour", "decibels_an_octave"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_colours_fall_as_they_should(colour: str, decibels_an_octave: float) -> None:
    noise = coloured_noise(60 * RATE + 1, colour, np.random.default_rng(0))
    assert noise.dtype == np.float32 and len(noise) == 60 * RATE + 1
    assert np.sqrt(np.square(noise).mean()) == pytest.approx(1.0, abs=1e-4)
    hertz, power = signal.welch(noise, RATE, nperseg=4096)
    chosen = (hertz > 60) & (hertz < 7000)
    slope = np.polyfit(np.log2(hertz[chosen]), 10 * np.log10(power[chosen]), 1)[0]
    assert slope == pytest.approx(decibels_an_octave, abs=0.15)


@pytest.mark.parametrize("snr_db", [20.0, 5.0])
def test_noise_is_at_a_ratio_to_active_speech(snr_db: float) -> None:
    speech, noise = speech_like(2.0, RATE, seed=1), coloured_noise(4 * RATE, "pink", np.random.default_rng(0))
    paused = np.concatenate([speech, np.zeros(2 * RATE, np.float32)])
    for gain in (1.0, 0.01):
        added = add_noise(gain * paused, noise, snr_db) - gain * paused
        # The pause makes no difference.
        assert 10 * np.log10(np.square(added).mean()) == pytest.approx(speech_level(gain * speech) - snr_db, abs=0.1)
    silence = np.zeros(100, np.float32)
    assert add_noise(silence, noise[:100], snr_db) is silence


def test_voices_of_babble_are_equally_loud() -> None:
    voices = [speech_like(1.0, RATE, seed=1), 0.01 * speech_like(0.7, RATE, seed=2)]
    found = babble(3 * RATE, voices, np.random.default_rng(0))
    assert found.dtype == np.float32 and np.sqrt(np.square(found).mean()) == pytest.approx(1.0, abs=1e-4)
    # What is left when both are taken out again is nothing.
    rng = np.random.default_rng(0)
    columns = []
    for voice in voices:
        turned = np.roll(voice, -int(rng.integers(len(voice))))
        columns.append(np.resize(turned, 3 * RATE) / 10 ** (speech_level(voice) / 20))
    shares, rest, *_ = np.linalg.lstsq(np.stack(columns, axis=1), found.astype(np.float64), rcond=None)
    assert rest[0] < 1e-6 * 3 * RATE and shares[0] == pytest.approx(shares[1], rel=1e-3)

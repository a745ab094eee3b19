"""What a sound is, by its spectrum alone: its band, whether it is tones, whether it has a voice."""

from __future__ import annotations

import numpy as np
import pytest
from corpus_builders import speech_like
from scipy.signal import firwin, lfilter

from seq.audio.channels import narrow_band, telephone
from seq.audio.noise import sloped_noise
from seq.audio.reading import resample
from seq.audio.sound import listen

RATE = 16000


def voices(seconds: float, rate: int, seed: int = 1) -> np.ndarray:
    """Speech-like, with breath up to half the rate; (T,) float32."""
    hiss = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return (speech_like(seconds, rate, seed) + 0.02 * hiss).astype(np.float32)


def white(seconds: float, rate: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(2).standard_normal(round(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("gain", [3e-3, 1.0])
@pytest.mark.parametrize("seconds", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("make", [voices, white])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_the_band_is_measured_and_not_read_from_the_rate(make: object, rate: int, seconds: float, gain: float) -> None:
    samples = gain * make(seconds, rate)  # type: ignore[operator]
    assert listen(resample(samples, rate)).band == ("narrow" if rate == 8000 else "wide")
    if rate == 8000:
        return
    # The same low-passed, in a file of the same rate and of 16 bits.
    lowpassed = lfilter(firwin(513, 3900, fs=rate, window=("kaiser", 8.0)), 1.0, np.pad(samples, (0, 256)))[256:]
    assert listen(resample(lowpassed, rate)).band == "narrow"
    coded = np.round(lowpassed * 32768) / 32768
    assert gain < 1 or listen(resample(coded, rate)).band == "narrow"


def test_what_goes_over_a_telephone_is_narrow() -> None:
    samples = voices(1.0, RATE)
    assert [listen(sound).band for sound in (samples, narrow_band(samples), telephone(samples))] == [
        "wide", "narrow", "narrow"
    ]  # fmt: skip


def test_silence_has_no_band() -> None:
    for samples in (np.zeros(0), np.zeros(RATE), np.full(RATE, 0.2)):
        sound = listen(samples)
        assert sound.band is None and not sound.is_tonal and not sound.has_voice


def note(hz: float, seconds: float) -> np.ndarray:
    """A plucked string."""
    t = np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 9)) * np.exp(-3 * t)  # type: ignore[no-any-return]


@pytest.mark.parametrize("gain", [3e-3, 1.0])
def test_tones_noise_and_speech_are_told_apart(gain: float) -> None:
    t, rng = np.arange(2 * RATE) / RATE, np.random.default_rng(3)
    tones = [np.sin(2 * np.pi * hz * t) for hz in (100, 440, 1000, 3000)]
    scale = (262, 294, 330, 349, 392, 440, 494, 523)
    music = [
        np.concatenate([note(hz, 0.25) for hz in scale]),
        np.concatenate([note(hz, 0.25) + note(1.26 * hz, 0.25) + note(1.5 * hz, 0.25) for hz in scale]),
    ]
    for samples in (*tones, *music):
        assert listen(0.1 * gain * samples).is_tonal
        # A little noise changes nothing.
        assert listen(gain * (0.1 * samples + 1e-3 * rng.standard_normal(len(samples)))).is_tonal
    for slope in (-1.0, 0.0, 1.0, 1.5):
        sound = listen(0.05 * gain * sloped_noise(2 * RATE, slope, rng))
        assert not sound.has_voice and not sound.is_tonal
    for seed in range(4):
        sound = listen(gain * voices(1.5, RATE, seed))
        assert sound.has_voice and not sound.is_tonal

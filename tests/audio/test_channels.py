"""What a line, a codec or a file's form does to samples, against what its standard or its purpose says."""

from __future__ import annotations

import numpy as np
import pytest
from corpus_builders import speech_like

from seq.audio.channels import clip, narrow_band, opus, studio_form, telephone
from seq.audio.level import LEVEL_DB, normalise_level, speech_level
from seq.audio.rooms import Room, decay_time, impulse_response, reverberate

RATE = 16000


def share_above(samples: np.ndarray, hertz: float) -> float:
    power = np.square(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))))
    return float(power[np.fft.rfftfreq(len(samples), 1 / RATE) > hertz].sum() / power.sum())


@pytest.mark.parametrize("change", [narrow_band, telephone, opus, studio_form])
@pytest.mark.parametrize("gain", [1.0, 0.02])
def test_length_place_and_level_stay(change: object, gain: float) -> None:
    noise = np.random.default_rng(0).standard_normal(RATE // 2 + 7)
    samples = gain * np.concatenate([0 * noise, speech_like(1.5, RATE, seed=3), 0.01 * noise]).astype(np.float32)
    found = change(samples)  # type: ignore[operator]
    assert found.dtype == np.float32 and found.shape == samples.shape
    assert speech_level(found) == pytest.approx(speech_level(samples), abs=3.0)
    correlation = np.correlate(found, samples, "full")
    assert abs(int(np.argmax(correlation)) - (len(samples) - 1)) <= 8


def test_a_telephone_has_no_sound_above_4_khz_and_codes_by_mu_law() -> None:
    samples = (0.1 * np.random.default_rng(0).standard_normal(2 * RATE)).astype(np.float32)
    assert share_above(samples, 4100) > 0.4 and share_above(narrow_band(samples), 4100) < 1e-6
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    line = telephone(tone)
    assert share_above(line, 4100) < 1e-5
    # ITU-T G.711: eight segments, each of 16 steps twice as wide as the one below: an error of at most 1/32.
    found, sent = normalise_level(line)[800:-800], normalise_level(tone)[800:-800]
    noise = 10 * np.log10(np.mean((found - sent) ** 2)) - LEVEL_DB
    assert -45 < noise < -33


def test_a_studios_form_changes_nothing_that_is_heard() -> None:
    # Resamplers take what lies just below 8 kHz.
    samples = narrow_band(speech_like(1.0, RATE, seed=1))
    difference = studio_form(samples) - samples
    assert 10 * np.log10(np.square(difference[200:-200]).mean() / np.square(samples).mean()) < -50
    loud = 30 * samples / np.abs(samples).max()
    np.testing.assert_allclose(np.abs(studio_form(loud)).max(), 30, rtol=0.05)


def test_clipping_cuts_the_largest_share() -> None:
    samples = speech_like(1.0, RATE, seed=1)
    found = clip(samples, 0.05)
    limit = np.abs(found).max()
    assert np.mean(np.abs(samples) > limit) == pytest.approx(0.05, abs=1e-3)
    np.testing.assert_array_equal(found, np.clip(samples, -limit, limit))


@pytest.mark.parametrize("seconds", [0.3, 0.6])
def test_a_room_rings_as_long_as_it_says(seconds: float) -> None:
    room = Room((5.2, 4.1, 2.8), seconds, 1.5)
    response = impulse_response(room, np.random.default_rng(1))
    assert len(response) == round(seconds * RATE) and response[0] == pytest.approx(1.0)
    assert decay_time(response) == pytest.approx(seconds, rel=0.02)
    # The same by the late slope, a straight line through the logarithm of the energy in steps of 10 ms.
    energy = np.square(response).reshape(-1, 160).sum(1)
    late = np.arange(5, len(energy) * 2 // 3)
    slope = np.polyfit(late * 0.01, 10 * np.log10(energy[late]), 1)[0]
    assert -60 / slope == pytest.approx(seconds, rel=0.25)
    other = impulse_response(room, np.random.default_rng(2))
    assert not np.allclose(response, other)
    samples = speech_like(1.0, RATE, seed=1)
    heard = reverberate(samples, response)
    assert heard.shape == samples.shape and speech_level(heard) == pytest.approx(speech_level(samples), abs=0.05)

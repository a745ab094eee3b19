"""Pitch against signals whose pitch is known, and prosody against what it was before it shared the module."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from seq.audio.pitch import track_pitch
from seq.runtime.prosody import prosody, voiced_frames


@pytest.mark.parametrize("hertz", [90.0, 140.0, 260.0])
def test_pitch_of_tones(hertz: float) -> None:
    t = np.arange(16000) / 16000
    tone = sum(np.sin(2 * np.pi * hertz * k * t) / k for k in range(1, 6)).astype(np.float32)
    track = track_pitch(tone)
    assert abs(np.median(track.pitch_hz[track.voiced]) / hertz - 1) < 0.02 and np.mean(track.height > 0.5) > 0.9


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    track = track_pitch(noise)
    assert np.mean(track.height > 0.5) < 0.2
    assert np.array_equal(np.isnan(track.pitch_hz), ~track.voiced)
    # Speech is not to be found 40 dB below noise, nor in nothing.
    t = np.arange(8000) / 16000
    quiet = track_pitch(np.concatenate([noise, 0.01 * np.sin(2 * np.pi * 200 * t)]))
    assert not quiet.voiced[-20:].any() and not quiet.height[-20:].any()
    assert not track_pitch(np.zeros(100, np.float32)).voiced.any()


def test_prosody_is_what_it_was() -> None:
    """Values of commit b9e1bd6, in which `seq.runtime.prosody` had the pitch to itself."""
    phase = 2 * np.pi * np.cumsum(np.linspace(110, 240, 24000)) / 16000
    glide = sum(np.sin(k * phase) / k for k in range(1, 6)) * np.hanning(24000)
    samples = (0.2 * glide + 0.02 * np.sin(2 * np.pi * 3001.7 * np.arange(24000) / 16000)).astype(np.float32)
    frames = voiced_frames(samples)
    assert len(frames.pitch_hz) == 70
    picked = [0, 20, -1]
    assert frames.pitch_hz[picked] == pytest.approx([111.16754700355804, 149.98585076837617, 250.12275451462318])
    assert frames.level_db[picked] == pytest.approx([-36.80943298339844, -18.716604232788086, -36.948734283447266])
    assert frames.harmonicity_db[picked] == pytest.approx([20.65972900390625, 25.983551025390625, 26.16645622253418])
    measured = prosody([frames], 9, 1.5)
    assert measured is not None
    assert (measured.pitch, measured.movement, measured.dynamics, measured.harmonicity, measured.rate) == pytest.approx(
        (7.302190550366131, 4.990837165368913, 7.208261489868164, 20.33119010925293, 6.0)
    )


def test_pitch_needs_numpy_only() -> None:
    check = "import sys, seq.audio.pitch; print({'scipy', 'torch', 'lhotse'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

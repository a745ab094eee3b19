"""Audio in memory: what fits is read once, the rest every time, and nobody can change it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import MonoCut, Recording

from seq.audio.reading import load_cut_audio
from seq.data.waveforms import Waveforms


def test_what_fits_is_read_once(tmp_path: Path) -> None:
    cuts = []
    for i in range(3):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, np.random.default_rng(i).uniform(-0.5, 0.5, 8000), 16000)
        cuts.append(MonoCut(f"c{i}", 0.0, 0.5, 0, recording=Recording.from_file(path)))
    # Two of them have 2 * 8000 samples of 4 bytes.
    waveforms = Waveforms(max_bytes=64000)
    first = [waveforms.load(cut) for cut in cuts]
    for cut, samples in zip(cuts, first, strict=True):
        assert np.array_equal(samples, load_cut_audio(cut))
        with pytest.raises(ValueError, match="read-only"):
            samples[0] = 1.0
    again = [waveforms.load(cut) for cut in cuts]
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True, False]
    assert np.array_equal(first[2], again[2])

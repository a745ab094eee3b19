"""Recordings whose bytes are not what their format says."""

from __future__ import annotations

import io
import math
import resource
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from corpus_builders import spoken
from fuzzing import attempt, examples, spoilt_bytes
from hypothesis import given
from hypothesis import strategies as st

from seq.audio.inspection import inspect_audio
from seq.audio.reading import SAMPLING_RATE, read_audio

# What a file of a few kB may cost.
MAX_MIB: Final = 300


def _encode(rate: int, container: str, subtype: str, channels: int = 1) -> bytes:
    samples = spoken(0.2, rate, seed=rate, before=0.1, after=0.1)
    file = io.BytesIO()
    soundfile.write(file, np.stack([samples] * channels, axis=1), rate, format=container, subtype=subtype)
    return file.getvalue()


WHOLE: Final = {
    "pcm.wav": _encode(16000, "WAV", "PCM_16"),
    "float.wav": _encode(8000, "WAV", "FLOAT", channels=2),
    "wide.wav": _encode(44100, "WAV", "PCM_24"),
    "a.flac": _encode(16000, "FLAC", "PCM_16"),
    "a.ogg": _encode(16000, "OGG", "VORBIS"),
    "a.aiff": _encode(16000, "AIFF", "PCM_16"),
    "a.mp3": _encode(16000, "MP3", "MPEG_LAYER_III"),
}
recordings = st.sampled_from(sorted(WHOLE)).flatmap(
    lambda name: st.tuples(st.just(name), st.one_of(spoilt_bytes(WHOLE[name]), st.binary(max_size=200)))
)


@given(recordings)
@examples(10)
def test_a_damaged_recording_is_heard_or_refused(recording: tuple[str, bytes]) -> None:
    name, content = recording
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        row = attempt(lambda: inspect_audio(path, True), Path(folder)).answer
        samples = attempt(lambda: read_audio(path), Path(folder)).answer
    if row is not None:
        seconds = row["num_samples"] / row["sampling_rate"]
        assert row["num_samples"] > 0 and 1_000 <= row["sampling_rate"] <= 1_000_000 and row["channels"] >= 1
        assert math.isfinite(seconds) and 0 <= row["start"] <= row["end"] <= seconds + 1e-6
        assert samples is not None, "stage 0 lets through what stage 2 cannot read"
        assert len(samples) == round(seconds * SAMPLING_RATE) or abs(len(samples) - seconds * SAMPLING_RATE) <= 2
    if samples is not None:
        assert samples.dtype == np.float32 and samples.ndim == 1 and np.isfinite(samples).all()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MAX_MIB

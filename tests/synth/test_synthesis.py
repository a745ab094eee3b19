"""The synthetic corpus: reproducible, whole, and carried by more than averages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seq.corpora.base import get_reader
from seq.errors import InputError
from seq.lang.g2p import g2p
from seq.synth.corpus import Settings, make_corpus
from seq.synth.speech import EMOTIONS, INTENSITIES, SAMPLING_RATE, SENTENCES, VOICES, render

SMALL = Settings(seed=3, speakers=2, sentences=3)
WINDOW, HOP = 640, 160


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synth") / "corpus"
    make_corpus(root, SMALL, num_processes=2)
    return root


def test_tree(small: Path) -> None:
    reader = get_reader("synth")
    utterances = list(reader.read(reader.find_root(small), {}))
    assert len(utterances) == 2 * 6 * 3
    assert {(u.speaker, u.gender) for u in utterances} == {("f1", "F"), ("m1", "M")}
    assert {u.sentence: u.text for u in utterances} == {str(201 + i): SENTENCES[i].replace(" ", "") for i in range(3)}
    for speaker in ("f1", "m1"):
        for emotion in EMOTIONS:
            group = [u for u in utterances if (u.speaker, u.raw.get("emotion")) == (speaker, emotion)]
            levels = sorted(u.raw.get("intensity") or "" for u in group)
            assert levels == ([""] * 3 if emotion == "neutral" else sorted(INTENSITIES))
    for u in utterances:
        info = soundfile.info(u.audio)
        assert (info.samplerate, info.channels, info.subtype) == (SAMPLING_RATE, 1, "PCM_16")
        assert 1.0 < info.duration < 7.0


def test_same_seed_same_bytes(small: Path, tmp_path: Path) -> None:
    make_corpus(tmp_path / "again", SMALL, num_processes=1)
    assert contents(tmp_path / "again") == contents(small)
    # In another order, after other speech, in another process.
    program = (
        "import sys; from seq.synth.speech import render, VOICES\n"
        "render(VOICES[1], 'sad', 'weak', 5, 9)\n"
        "sys.stdout.buffer.write(render(VOICES[0], 'happy', 'strong', 2, 3).tobytes())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE).stdout
    assert elsewhere == render(VOICES[0], "happy", "strong", 2, 3).tobytes()
    assert elsewhere != render(VOICES[0], "happy", "strong", 2, 4).tobytes()


def test_what_was_interrupted_is_finished(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    make_corpus(root, SMALL)
    (root / "m1/sad/202.wav").unlink()
    (root / "intensities.tsv").unlink()
    (root / "m1/sad/.123.tmp.202.wav").write_bytes(b"half")
    kept = (root / "m1/sad/201.wav").stat().st_mtime_ns
    make_corpus(root, SMALL)
    assert contents(root) == contents(small)
    assert (root / "m1/sad/201.wav").stat().st_mtime_ns == kept


def test_bad_settings(small: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="other settings"):
        make_corpus(small, Settings(seed=4, speakers=2, sentences=3))
    with pytest.raises(InputError, match="--speakers 7: choose a number from 1 to 6"):
        make_corpus(tmp_path / "new", Settings(speakers=7))
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match="no synthetic corpus"):
        make_corpus(tmp_path, SMALL)


def test_every_sentence_has_phones() -> None:
    assert len(SENTENCES) >= 20 and len(set(SENTENCES)) == len(SENTENCES)
    assert all(len(g2p(sentence, "zh")) > 10 for sentence in SENTENCES)


def pitch_and_energy(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Semitones (T,), NaN where unvoiced, by autocorrelation; and decibels (T,). A frame every 10 ms."""
    frames = sliding_window_view(samples.astype(np.float64) / 32768, WINDOW)[::HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    energy = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-8)
    frames, energy = frames[energy > energy.max() - 30], energy[energy > energy.max() - 30]
    window = np.hanning(WINDOW)
    shortest, longest = SAMPLING_RATE // 450, SAMPLING_RATE // 60
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames * window, 2 * WINDOW)) ** 2)[:, :longest]
    correlation /= np.fft.irfft(np.abs(np.fft.rfft(window, 2 * WINDOW)) ** 2)[:longest]
    period = shortest + correlation[:, shortest:].argmax(axis=1)
    voiced = correlation[np.arange(len(period)), period] > 0.5 * correlation[:, 0]
    return np.where(voiced, 12 * np.log2(SAMPLING_RATE / period), np.nan), energy


def test_averages_do_not_tell_emotions_but_their_course_does() -> None:
    averages, courses, labels, speakers = [], [], [], []
    for speaker, voice in enumerate(VOICES[:4]):
        for emotion in EMOTIONS:
            for sentence in range(9):
                intensity = None if emotion == "neutral" else INTENSITIES[(speaker + sentence) % 3]
                pitch, energy = pitch_and_energy(render(voice, emotion, intensity, sentence, 1))
                mean = [np.nanmean(pitch), energy.mean()]
                thirds = np.array_split(pitch, 3)
                parts = [np.nanmean(third) - mean[0] if np.isfinite(third).any() else 0.0 for third in thirds]
                parts += [part.mean() - mean[1] for part in np.array_split(energy, 5)]
                spectrum = np.abs(np.fft.rfft(energy - energy.mean(), 512)) / len(energy)
                tremor = [np.log(spectrum[a:b].mean()) for a, b in ((8, 18), (18, 34), (34, 48), (48, 90))]
                averages.append(mean)
                courses.append([*mean, *parts, *tremor, np.nanstd(pitch), energy.std(), len(energy)])
                labels.append(emotion)
                speakers.append(speaker)

    def unweighted_accuracy(features: list[list[float]]) -> float:
        x, y, g = np.array(features), np.array(labels), np.array(speakers)
        predicted = y.copy()
        for speaker in set(speakers):
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            predicted[g == speaker] = model.fit(x[g != speaker], y[g != speaker]).predict(x[g == speaker])
        return recall_score(y, predicted, average="macro")

    by_averages, by_courses = unweighted_accuracy(averages), unweighted_accuracy(courses)
    print(f"UA by averages {by_averages:.3f}, by courses {by_courses:.3f}")
    assert by_averages < 0.4
    assert by_courses > 0.6

"""Prediction: one answer whatever the way in (array, file, batch, stream), windows for long audio, bad audio named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_builders import speech_like, spoken

from seq.audio.channels import narrow_band
from seq.audio.reading import read_audio
from seq.audio.streams import stream_audio
from seq.errors import InputError
from seq.runtime.batch import predict_items
from seq.runtime.describe import describe
from seq.runtime.detectors import EnergyDetector
from seq.runtime.doubts import NO_VOICE, SHORT, STRANGE_BAND, TONAL, UNLIKELY
from seq.runtime.engine import Piece
from seq.runtime.inputs import Item
from seq.runtime.model import Model
from seq.runtime.prosody import prosody, voiced_frames
from seq.runtime.results import Answer, Result
from seq.runtime.voice import HOP_SECONDS, WINDOW_SECONDS, Segmenter
from seq.tasks.answers import Symbols
from seq.tasks.base import Stretch
from seq.tasks.registry import get_task

RATE = 16000
TOLERANCE = 1e-3


def assert_same(first: Answer, second: Answer, tolerance: float = TOLERANCE) -> None:
    assert first.emotion and second.emotion and first.intensity and second.intensity and first.gender and second.gender
    assert first.start == pytest.approx(second.start, abs=0.011) and first.end == pytest.approx(second.end, abs=0.011)
    for a, b in ((first.emotion, second.emotion), (first.gender, second.gender)):
        assert a.probs == pytest.approx(b.probs, abs=tolerance)
    assert first.intensity.value == pytest.approx(second.intensity.value, abs=tolerance)


def long_recording() -> np.ndarray:
    """48 s: speech at 2-5 s, 8-31 s and 40-44 s, faint noise between."""
    samples = 1e-3 * np.random.default_rng(5).standard_normal(48 * RATE)
    for start, seconds in ((2, 3), (8, 23), (40, 4)):
        samples[start * RATE : (start + seconds) * RATE] += speech_like(seconds, RATE, seed=start)
    return samples.astype(np.float32)


def test_result_is_typed_and_complete(model: Model) -> None:
    result = model(spoken(1.5, RATE, seed=1), RATE, describe=True)
    assert result.duration == pytest.approx(2.4) and result.windows == ()
    assert result.start == pytest.approx(0.4, abs=0.03) and result.end == pytest.approx(2.1, abs=0.03)
    assert result.emotion and set(result.emotion.probs) == {"neutral", "happy", "sad"}
    assert sum(result.emotion.probs.values()) == pytest.approx(1.0)
    assert result.emotion.confidence == max(result.emotion.probs.values())
    assert result.intensity and 0 <= result.intensity.value <= 1
    assert result.intensity.level in ("none", "weak", "strong")
    assert result.gender and set(result.gender.probs) == {"F", "M"}
    assert isinstance(result.uncertain, bool) and result.phones is not None
    assert result.description and result.description.endswith(".") and "Hz" in result.description
    row = result.to_dict()
    assert row["emotion"]["label"] == result.emotion.label and "windows" not in row


def test_phones_lie_in_order_inside_the_speech(model: Model) -> None:
    log_probs = np.full((20, 4), -9.0)
    log_probs[np.arange(20), [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 3, 0]] = 0.0
    outputs = model.catalogue.outputs["phone"]
    phones = get_task("phone").answer(log_probs, outputs, Stretch(1.0, 1.4, frame_seconds=0.02))
    assert isinstance(phones, Symbols)
    assert [phone.phone for phone in phones] == ["A", "B", "B", "C"]
    # A frame is 20 ms. A reaches 0.1 s to its right at most; B and B meet half way between their peaks.
    times = [(round(phone.start, 3), round(phone.end, 3)) for phone in phones]
    assert times == [(1.0, 1.18), (1.2, 1.33), (1.33, 1.36), (1.36, 1.4)]


def test_file_array_batch_and_stream_agree(model: Model, tmp_path: Path) -> None:
    paths = []
    for i, rate in enumerate((16000, 8000, 44100, 192000)):
        samples = spoken(0.8 + 0.5 * i, rate, seed=i)
        if i == 2:
            samples = np.stack([samples] * 8, axis=1)
        paths.append(tmp_path / f"录音 {i}.wav")
        soundfile.write(paths[-1], samples, rate, subtype="FLOAT")
    outcomes = list(predict_items(model, [Item(str(path)) for path in paths * 6], num_jobs=2))
    assert [outcome.item.path for outcome in outcomes] == [str(path) for path in paths * 6]
    for path, outcome in zip(paths, outcomes, strict=False):
        expected = model.predict_file(path)
        assert outcome.result is not None
        assert_same(outcome.result, expected)
        samples, rate = soundfile.read(path, dtype="float32")
        assert_same(model(samples, rate), expected)
        stream = model.stream(rate)
        estimates = [stream.feed(chunk) for chunk in np.array_split(samples, 7)]
        assert estimates[0] is None or estimates[0].duration < expected.duration
        assert_same(stream.finish(), expected)


def test_integers_are_scaled(model: Model) -> None:
    samples = spoken(1.0, RATE, seed=3)
    integers = np.round(samples * 32768).astype(np.int16)
    assert_same(model(integers, RATE), model(samples, RATE), 0.01)


def test_long_recording_has_a_time_line_and_a_summary(model: Model, tmp_path: Path) -> None:
    samples = long_recording()
    soundfile.write(tmp_path / "long.flac", samples, RATE)
    result = model.predict_file(tmp_path / "long.flac")
    times = [(round(w.start), round(w.end)) for w in result.windows]
    assert times == [(2, 5), (8, 18), (13, 23), (18, 28), (21, 31), (40, 44)]
    assert result.duration == 48.0 and round(result.start) == 2 and round(result.end) == 44
    assert result.emotion and sum(result.emotion.probs.values()) == pytest.approx(1.0)
    means = [np.mean([w.emotion.probs[name] for w in result.windows if w.emotion]) for name in result.emotion.probs]
    assert list(result.emotion.probs.values()) == pytest.approx(means, abs=0.15)
    assert result.phones is not None
    middles = [(phone.start + phone.end) / 2 for phone in result.phones]
    assert middles == sorted(middles)


def test_long_stream_ends_as_the_whole_file(model: Model) -> None:
    samples = long_recording()
    expected = model(samples, RATE)
    stream = model.stream(RATE)
    estimates = [stream.feed(chunk) for chunk in np.array_split(samples, 24)]
    assert estimates[0] is not None and estimates[0].end <= 2.0
    last = estimates[-1]
    assert last is not None and last.duration == 48.0 and last.start >= 38.0
    result = stream.finish()
    assert len(result.windows) == len(expected.windows)
    for a, b in zip([result, *result.windows], [expected, *expected.windows], strict=True):
        assert_same(a, b)
    with pytest.raises(InputError, match="finished"):
        stream.feed(samples[:100])


def test_segmenter_gives_the_same_windows_for_any_chunks_and_forgets() -> None:
    samples = np.tile(long_recording(), 4)

    def windows(chunk: int) -> list[Piece]:
        segmenter, found, most = Segmenter(EnergyDetector()), [], 0
        for start in range(0, len(samples), chunk):
            found += segmenter.push(samples[start : start + chunk])
            most = max(most, len(segmenter._buffer))
        assert most < 60 * RATE
        return [*found, *segmenter.finish()]

    expected = windows(RATE * 10)
    assert len(expected) >= 20
    for piece in expected:
        assert len(piece.samples) <= WINDOW_SECONDS * RATE
        first = round(piece.start * RATE)
        np.testing.assert_array_equal(piece.samples, samples[first : first + len(piece.samples)])
    for chunk in (1234, RATE * 33):
        assert [(p.start, len(p.samples)) for p in windows(chunk)] == [(p.start, len(p.samples)) for p in expected]


def test_steady_sound_is_cut_every_hop() -> None:
    segmenter = Segmenter(EnergyDetector())
    noise = 0.1 * np.random.default_rng(0).standard_normal(70 * RATE).astype(np.float32)
    starts = [piece.start for piece in [*segmenter.push(noise), *segmenter.finish()]]
    assert starts == pytest.approx([HOP_SECONDS * i for i in range(13)], abs=0.02)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_streamed_audio_is_read_audio(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([speech_like(25.3, rate, 1)] * 2, axis=1), rate, subtype="PCM_24")
    streamed = np.concatenate(list(stream_audio(tmp_path / "a.wav", 1.5, 23.0)))
    whole = read_audio(tmp_path / "a.wav", 1.5, 23.0)
    assert abs(len(streamed) - len(whole)) <= 1
    np.testing.assert_allclose(streamed[: len(whole)], whole[: len(streamed)], atol=1e-4)


def test_very_short_audio_is_judged_and_uncertain(model: Model) -> None:
    for seconds in (0.01, 0.05):
        result = model(speech_like(seconds, RATE, 1), RATE)
        assert result.duration == seconds and result.uncertain is True


@pytest.mark.parametrize(
    ("waveform", "rate", "message"),
    [
        (np.zeros(0, np.float32), RATE, "no samples"),
        (np.zeros(RATE, np.float32), RATE, "silent"),
        (np.zeros(30 * RATE, np.float32), RATE, "silent"),
        (np.full(RATE, np.nan, np.float32), RATE, "NaN"),
        (np.full(RATE, 1e30, np.float32), RATE, "samples as large as 1e.30, where audio reaches 1"),
        (1000 * speech_like(1.0, RATE, 1), RATE, "samples as large as .*, where audio reaches 1: integers are divided"),
        (np.stack([speech_like(1.0, RATE, 1)] * 2, axis=1) * [1, -1], RATE, "channels that cancel each other"),
        (np.ones((2, RATE), np.float32), RATE, "shape"),
        (np.ones(RATE, np.uint8), RATE, "type uint8"),
        (np.ones(RATE, np.float32), 16, "rate of 16"),
    ],
)
def test_bad_waveforms_are_sentences(model: Model, waveform: np.ndarray, rate: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model(waveform, rate)
    with pytest.raises(InputError, match=message.replace("waveform", "stream")):
        stream = model.stream(rate)
        stream.hear(waveform)
        stream.finish()


def test_pitch_dynamics_and_harmonicity_of_known_sounds() -> None:
    t = np.arange(2 * RATE) / RATE
    for pitch in (90.0, 220.0, 430.0):
        tone = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 8) if k * pitch < 7000)
        tone = 0.1 * tone / np.sqrt(np.mean(np.square(tone)))
        measured = prosody([voiced_frames(tone)], 20, 2.0)
        assert measured is not None and measured.rate == 10.0
        assert measured.pitch_hz == pytest.approx(pitch, rel=0.01) and measured.movement < 0.2
        assert measured.dynamics < 0.5 and measured.harmonicity > 20
        # Every other second twice as loud: 3 dB to either side of the mean, whatever the gain.
        uneven = prosody([voiced_frames(1e-3 * tone), voiced_frames(2e-3 * tone)], None, 2.0)
        assert uneven is not None and uneven.dynamics == pytest.approx(20 * np.log10(2) / 2, abs=0.2)
        noisy = tone + 0.1 * np.random.default_rng(0).standard_normal(len(tone))
        measured = prosody([voiced_frames(noisy)], None, 2.0)
        # As much noise as tone: 0 dB by definition.
        assert measured is None or measured.harmonicity < 5
    noise = np.random.default_rng(0).standard_normal(2 * RATE)
    assert prosody([voiced_frames(noise)], None, 2.0) is None


def test_description_compares_with_the_corpus(model: Model) -> None:
    result = model(spoken(1.5, RATE, seed=1), RATE)
    assert isinstance(result, Result) and result.gender
    measured = prosody([voiced_frames(speech_like(1.5, RATE, 1))], 30, 1.5)
    assert measured is not None
    norm = {"mean": measured.pitch - 0.5, "std": 0.2}
    norms = {
        "corpus": "tiny",
        "pitch": {result.gender.label: norm},
        "dynamics": {"mean": measured.dynamics + 5.0, "std": 1.0},
        "movement": None,
        "rate": {"mean": 40.0, "std": 5.0},
        "harmonicity": None,
    }
    sentence = describe(result, measured, norms)
    assert "with a high pitch, even loudness and slow speech for a speaker of tiny" in sentence
    assert "too little" in describe(result, None, norms)


def test_doubts_name_their_reason(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, t = np.random.default_rng(0), np.arange(2 * RATE) / RATE
    hiss = 0.02 * rng.standard_normal(2 * RATE)
    voice = (speech_like(2.0, RATE, seed=1) + hiss).astype(np.float32)
    narrow, tone, noise = narrow_band(voice), 0.1 * np.sin(2 * np.pi * 440 * t) + 1e-3 * hiss, 0.1 * hiss
    monkeypatch.setitem(model.description["calibration"]["emotion"], "threshold", 0.0)
    for bands, wide_doubts, narrow_doubts in (
        (None, (), ()),
        (["narrow", "wide"], (), ()),
        (["wide"], (), (STRANGE_BAND["narrow"],)),
        (["narrow"], (STRANGE_BAND["wide"],), ()),
    ):
        monkeypatch.setitem(model.description, "heard", None if bands is None else {"bands": bands, "conditions": []})
        for samples, band, doubts in ((voice, "wide", wide_doubts), (narrow, "narrow", narrow_doubts)):
            result = model(samples, RATE, describe=True)
            assert result.band == band and result.doubts == doubts and result.uncertain is bool(doubts)
            assert ("nothing is heard above 4 kHz" in str(result.description)) == (band == "narrow")
            assert result.to_dict()["doubts"] == list(doubts) and result.to_dict()["band"] == band
        # Of a long recording, too: a window of either band, then narrow ones alone.
        both = model(np.concatenate([np.tile(narrow, 8), np.zeros(RATE), np.tile(voice, 4)]), RATE)
        assert both.band == "wide" and both.doubts == wide_doubts
        assert {window.doubts for window in both.windows} == {wide_doubts, narrow_doubts}
        assert model(np.tile(narrow, 12), RATE).doubts == narrow_doubts
    monkeypatch.setitem(model.description, "heard", None)
    for samples, doubt in ((tone, TONAL), (noise, NO_VOICE), (voice[: RATE // 4], SHORT)):
        assert model(samples.astype(np.float32), RATE).doubts == (doubt,)
    monkeypatch.setitem(model.description["calibration"]["emotion"], "threshold", 1.0)
    assert model(voice, RATE).doubts == (UNLIKELY,)


@pytest.mark.parametrize("damage", ["weights", "temperature", "threshold", "one recording"])
def test_an_answer_that_is_no_number_is_an_error(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Never a certain answer of NaN; whoever has an answer gets it."""
    lengths = [1.0, 1.1, 1.2, 1.3]
    paths = [tmp_path / f"{seconds}.wav" for seconds in lengths]
    for seconds, path in zip(lengths, paths, strict=True):
        soundfile.write(path, speech_like(seconds, RATE, 1), RATE)
    run = model.engine.graph.run

    def spoil(waveforms: list[np.ndarray]) -> dict[str, np.ndarray]:
        values = run(waveforms)
        for row, waveform in enumerate(waveforms):
            if damage == "weights" or (damage == "one recording" and len(waveform) == round(1.1 * RATE)):
                values["phone"][row] = np.nan
        return values

    emotion = model.description["calibration"]["emotion"]
    monkeypatch.setattr(model.engine.graph, "run", spoil)
    if damage in emotion:
        monkeypatch.setitem(emotion, damage, np.nan)
    outcomes = list(predict_items(model, [Item(str(path)) for path in paths]))
    failed = {"weights": paths, "temperature": paths, "threshold": [], "one recording": [paths[1]]}[damage]
    for path, outcome in zip(paths, outcomes, strict=True):
        if path in failed:
            assert outcome.result is None and f"{path} cannot be judged: the model's" in str(outcome.error)
            with pytest.raises(InputError, match="not a finite number"):
                model.predict_file(path)
        else:
            assert outcome.result is not None and (damage != "threshold" or outcome.result.uncertain)

"""Segments: neighbours alike are one, the files say what was found to those who read them, and come whole or not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import soundfile
from corpus_builders import speech_like, spoken
from lhotse import SupervisionSet

from seq.cli import main
from seq.errors import InputError
from seq.runtime.batch import Outcome
from seq.runtime.inputs import Item
from seq.runtime.model import Model
from seq.runtime.results import Answer, Result
from seq.runtime.segments import open_segments, segments
from seq.tasks.answers import Category

RATE = 16000
# Windows of a long recording, with the probability of their label (of neutral, happy, sad). The first two overlap, the
# third touches them, the fourth comes after a pause.
WINDOWS = [
    (0.0, 10.0, "happy", 0.9),
    (5.0, 15.0, "happy", 0.6),
    (15.0, 18.0, "sad", 0.5),
    (21.5, 24.25, "sad", 0.8),
]


@pytest.fixture(scope="module")
def result(model: Model) -> Result:
    """What the model never said: its other answers, with these emotions at these times."""
    said = model(spoken(1.0, RATE, 1), RATE)
    assert model.catalogue.main == "emotion"
    answers = []
    for start, end, label, confidence in WINDOWS:
        rest = (1 - confidence) / 2
        probs = {name: confidence if name == label else rest for name in ("neutral", "happy", "sad")}
        tasks = {**said.tasks, "emotion": Category(label, probs)}
        answers.append(Answer(start, end, (), tasks, model.catalogue, said.sound))
    whole = (answers[0].tasks, model.catalogue, said.sound)
    return Result(0.0, 24.25, (), *whole, duration=25.0, windows=tuple(answers))


def test_neighbours_alike_are_one_and_a_pause_ends_it(model: Model, result: Result) -> None:
    found = segments(result, model.engine)
    assert [(s.start, s.end, s.emotion.label) for s in found] == [
        (0.0, 15.0, "happy"),
        (15.0, 18.0, "sad"),
        (21.5, 24.25, "sad"),
    ]
    # Each window counts for its part, and the two meet at 7.5 s.
    assert found[0].emotion.confidence == pytest.approx((7.5 * 0.9 + 7.5 * 0.6) / 15)
    threshold = model.description["calibration"]["emotion"]["threshold"]
    assert [s.uncertain for s in found] == [s.emotion.confidence < threshold for s in found]
    short = model(spoken(1.0, RATE, 1), RATE)
    (only,) = segments(short, model.engine)
    assert (only.start, only.end, only.emotion) == (short.start, short.end, short.emotion)


def test_rttm_is_what_lhotse_reads(model: Model, result: Result, tmp_path: Path) -> None:
    with open_segments(tmp_path / "a.rttm", model.engine) as add:
        add(Outcome(Item("my talk.wav"), result))
        add(Outcome(Item("broken.wav"), None, "broken"))
        add(Outcome(Item("x/b.wav", "b"), result))
        assert not (tmp_path / "a.rttm").exists()
    read = list(SupervisionSet.from_rttm(tmp_path / "a.rttm"))
    expected = [(0.0, 15.0, "happy"), (15.0, 3.0, "sad"), (21.5, 2.75, "sad")]
    assert [(s.start, s.duration, s.speaker) for s in read if s.recording_id == "b"] == expected
    assert [(s.start, s.duration, s.speaker) for s in read if s.recording_id == "my%20talk.wav"] == expected
    assert len(read) == 6
    lines = (tmp_path / "a.rttm").read_text().splitlines()
    assert lines[0] == "SPEAKER my%20talk.wav 1 0.000 15.000 <NA> <NA> happy 0.7500 <NA>"


def test_csv_and_labels_say_the_same(model: Model, result: Result, tmp_path: Path) -> None:
    expected = segments(result, model.engine)
    for name in ("a.csv", "a.txt"):
        with open_segments(tmp_path / name, model.engine) as add:
            add(Outcome(Item("a,\n.wav", "talk"), result))
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ["emotion", "confidence", "intensity", "level", "gender", "gender_confidence"]
    assert list(rows[0]) == ["id", "path", "start", "end", *columns, "uncertain"]
    for row, answer in zip(rows, expected, strict=True):
        assert (row["id"], row["path"], row["emotion"]) == ("talk", "a,\n.wav", answer.emotion.label)
        assert (float(row["start"]), float(row["end"])) == (answer.start, answer.end)
        assert float(row["confidence"]) == pytest.approx(answer.emotion.confidence, abs=1e-4)
        assert float(row["intensity"]) == pytest.approx(answer.intensity.value, abs=1e-4)
        assert row["uncertain"] == str(answer.uncertain).lower()
    labels = [line.split("\t") for line in (tmp_path / "a.txt").read_text().splitlines()]
    doubts = [" ?" if answer.uncertain else "" for answer in expected]
    assert labels == [
        ["0.000", "15.000", f"happy{doubts[0]}"],
        ["15.000", "18.000", f"sad{doubts[1]}"],
        ["21.500", "24.250", f"sad{doubts[2]}"],
    ]


def test_the_command(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = tmp_path / "long.wav"
    soundfile.write(long, speech_like(31.0, RATE, 1), RATE)
    soundfile.write(tmp_path / "short.wav", speech_like(1.0, RATE, 2), RATE)
    both = [str(long), str(tmp_path / "short.wav")]
    assert main(["predict", str(model_folder), *both, "--segments", str(tmp_path / "a.rttm")]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    lines = [line.split() for line in (tmp_path / "a.rttm").read_text().splitlines()]
    for path, answer in zip(both, answers, strict=True):
        own = [line for line in lines if line[1] == path]
        times = [(float(line[3]), float(line[3]) + float(line[4])) for line in own]
        assert (times[0][0], times[-1][1]) == pytest.approx((answer["start"], answer["end"]), abs=2e-3)
        # Speech without a pause: as many segments as its answer changes.
        said = [window["emotion"]["label"] for window in answer.get("windows", [answer])]
        assert [line[7] for line in own] == [name for i, name in enumerate(said) if i == 0 or name != said[i - 1]]
    # Labels hold one recording; what was there stays.
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(InputError, match=r"belong to one recording, and .*short\.wav comes after .*long\.wav"):
        main(["predict", str(model_folder), *both, "--segments", str(tmp_path / "a.txt")])
    assert (tmp_path / "a.txt").read_text() == "mine"
    for name, sentence in (("a.json", r"ends in none of \.rttm, \.csv, \.txt"), ("model/a.csv", "lies in the model")):
        place = model_folder.parent if name.startswith("model") else tmp_path
        with pytest.raises(InputError, match=sentence):
            main(["predict", str(model_folder), str(long), "--segments", str(place / name)])
    with pytest.raises(InputError, match="--out and --segments are both"):
        main(
            [
                "predict",
                str(model_folder),
                str(long),
                "--segments",
                str(tmp_path / "o.csv"),
                "--out",
                str(tmp_path / "o.csv"),
            ]
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rttm", "a.txt", "long.wav", "short.wav"]

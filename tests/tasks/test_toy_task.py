"""A task defined outside `seq/` goes all the way: training, scores, table, export, prediction, and without itself."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from corpus_builders import spoken
from toy_task import STYLE, STYLES, Style, make_styled_experiment, style_of

from seq.cli import main
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.export.run import export_run
from seq.export.waveform_model import load_waveform_model
from seq.report.report import main_table
from seq.runtime.model import Model
from seq.score.score import score_experiment
from seq.tasks.answers import Category
from seq.tasks.registry import all_tasks, default_names, get_task, parse_names, register, unregister
from seq.train.experiment import Experiment
from seq.train.run import train_run
from seq.utils.files import read_json, read_jsonl

ROOT = Path(__file__).parents[2]
RATE = 16000


@pytest.fixture(scope="module", autouse=True)
def installed() -> Iterator[None]:
    register(STYLE)
    yield
    unregister(STYLE)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    folder = tmp_path_factory.mktemp("toy")
    experiment = make_styled_experiment(folder, num_epochs=30, average_epochs=3, learning_rate=5e-3)
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    return experiment


@pytest.fixture(scope="module")
def model_folder(experiment: Experiment) -> Path:
    folder = experiment.exp_dir.parent / "model"
    export_run(experiment.run_dir(1, 0), folder)
    return folder


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "a.wav"
    soundfile.write(path, spoken(1.5, RATE, seed=1), RATE)
    return path


def test_it_is_one_of_the_tasks_and_none_of_the_default_ones() -> None:
    register(STYLE)
    register(get_task("emotion"))
    assert [task.name for task in all_tasks()][:5] == ["emotion", "intensity", "gender", "style", "phone"]
    assert parse_names("style, emotion") == ["emotion", "style"]
    assert "style" not in default_names()
    with pytest.raises(InputError, match="there is a task style already"):
        register(Style())
    unregister(STYLE)
    with pytest.raises(InputError, match="--tasks style: there is no task 'style'; choose from emotion,"):
        parse_names("style")
    register(STYLE)


def test_it_is_learnt_and_decoded(experiment: Experiment) -> None:
    run = read_json(experiment.run_dir(1, 0) / "run.json")
    assert run["tasks"] == ["emotion", "style"] and run["best_valid"].keys() == {"emotion", "style"}
    history = list(read_jsonl(experiment.run_dir(1, 0) / "history.jsonl"))
    assert history[-1]["train"]["style"] < 0.5 * history[0]["train"]["style"]
    rows = list(read_jsonl(experiment.run_dir(1, 0) / "predictions.jsonl"))
    assert list(rows[0]) == ["id", "corpus", "fold", "seed", "speaker", "emotion", "style"]
    for row in rows:
        answer = row["style"]
        assert answer["ref"] == style_of(row["id"]) and list(answer["probs"]) == list(STYLES)
        assert answer["hyp"] == max(STYLES, key=answer["probs"].__getitem__)
        assert answer["ref"] in (None, answer["hyp"])


@pytest.fixture(scope="module")
def scores(experiment: Experiment) -> dict[str, Any]:
    return score_experiment(experiment.conf, "tiny", experiment.cuts, experiment.folds_dir, experiment.exp_dir)


def test_it_is_scored(scores: dict[str, Any]) -> None:
    assert scores["tasks"] == ["emotion", "style"]
    block = scores["pooled"]["style"]
    # A quarter of the utterances has no style.
    assert (scores["pooled"]["num_utterances"], block["n"], block["UA"]) == (12, 9, 1.0)
    assert block["confusion"] == {"labels": list(STYLES), "counts": [[3, 0], [0, 6]]}
    assert scores["valid"]["pooled"]["style"]["n"] == 9


def test_it_has_a_column(scores: dict[str, Any]) -> None:
    header, _, first, *_ = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in main_table(scores).splitlines()
    )
    assert first[header.index("style UA %")] == "100.00"


def test_it_is_exported_and_predicted(experiment: Experiment, model_folder: Path, audio: Path) -> None:
    description = read_json(model_folder / "model.json")
    assert description["main"] == "emotion" and list(description["tasks"]) == ["emotion", "style"]
    assert description["tasks"]["style"]["labels"] == list(STYLES)
    assert description["scores"]["test"]["style"]["UA"] == 1.0
    card = (model_folder / "README.md").read_text(encoding="utf-8")
    assert "- style: read, acted" in card and "| style, UA | 100.0 % | 100.0 % |" in card
    model = Model(model_folder)
    result = model.predict_file(audio)
    assert isinstance(result.style, Category) and result.intensity is None and result.phones is None
    # By torch, from the same samples.
    piece = model.read_piece(audio, 0.0, None)
    assert piece is not None
    with torch.no_grad():
        samples = torch.from_numpy(piece[0].samples)
        network = load_waveform_model(model_folder)
        numbers = dict(zip(network.output_names, network(samples[None], torch.tensor([len(samples)])), strict=True))
    probs = (numbers["style"][0] / description["calibration"]["style"]["temperature"]).softmax(0)
    assert list(result.style.probs.values()) == pytest.approx(probs.tolist(), abs=1e-3)
    assert result.style.label == STYLES[int(probs.argmax())] and result.style.confidence == max(
        result.style.probs.values()
    )


def test_a_long_recording_is_merged_over_its_windows(model_folder: Path) -> None:
    result = Model(model_folder)(np.concatenate([spoken(8.0, RATE, seed=i) for i in range(4)]), RATE)
    assert len(result.windows) > 2
    low, high = (bound(window.style.probs["read"] for window in result.windows) for bound in (min, max))
    assert low <= result.style.probs["read"] <= high
    assert sum(result.style.probs.values()) == pytest.approx(1.0)


def test_who_does_not_know_it_is_answered_by_its_kind(
    model_folder: Path, audio: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def known(*options: str) -> str:
        capsys.readouterr()
        assert main(["predict", str(model_folder), str(audio), *options]) == 0
        return capsys.readouterr().out

    def unknown(*options: str) -> str:
        command = [sys.executable, "-m", "seq.cli", "predict", str(model_folder), str(audio), *options]
        done = subprocess.run(command, capture_output=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8")

    here, there = json.loads(known("--describe")), json.loads(unknown("--describe"))
    assert here == there and list(there["style"]["probs"]) == list(STYLES)
    rows = [next(csv.DictReader(io.StringIO(said("--format", "csv")))) for said in (known, unknown)]
    assert rows[0] == rows[1] and rows[0]["style"] == here["style"]["label"]
    assert float(rows[0]["style_confidence"]) == max(here["style"]["probs"].values())
    assert rows[0]["intensity"] == rows[0]["phones"] == "" and rows[0]["emotion"] == here["emotion"]["label"]
    for said in (known, unknown):
        header, row = said("--format", "table").splitlines()
        assert row[header.index("style") :].split()[0] == here["style"]["label"]

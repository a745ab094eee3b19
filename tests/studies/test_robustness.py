"""Experiments under everyday changes: the conditions that there must be, their predictions, their scores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corpus_builders import speech_like
from encoder_experiment import encoder_experiment_conf, fbank_conf, open_experiment, record_corpus
from kept_robustness import rescore_robustness
from sklearn.metrics import recall_score
from tiny_encoders import save_encoder

from seq.audio.level import speech_level
from seq.conf import conf_to_dict
from seq.data.conditions import CLEAN, CONDITIONS, condition_path, groups
from seq.decode.run import decode_run
from seq.export.run import export_run
from seq.score.calibration import apply_temperature
from seq.train.run import train_run
from seq.utils.files import read_json, read_jsonl, write_json, write_text

pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000
CONDITION_NAMES = [condition.name for condition in CONDITIONS]
# Issue 12, "Measure it".
WANTED = {
    "level": ["level -30 dB", "level -20 dB", "level -10 dB", "level +10 dB"],
    "band": ["8 kHz", "mu-law", "Opus 6 kbit"],
    "pink noise": ["pink 20 dB", "pink 10 dB", "pink 5 dB"],
    "babble": ["babble 20 dB", "babble 10 dB", "babble 5 dB"],
    "rooms": ["room 0.3 s", "room 0.6 s"],
    "clipping": ["clipping"],
    "form": ["44.1 kHz stereo 24 bit"],
}


def test_the_conditions_are_those_that_were_agreed_on() -> None:
    assert {name: [condition.name for condition in members] for name, members in groups().items()} == WANTED
    assert [condition.name for condition in CONDITIONS if condition.may_be_heard] == ["mu-law"]
    assert len({condition.slug for condition in (CLEAN, *CONDITIONS)}) == 18


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.slug)
def test_a_condition_is_the_same_every_time_and_another_for_another_part(condition: object) -> None:
    samples, voices = speech_like(0.7, RATE, seed=1), [speech_like(0.5, RATE, seed) for seed in range(2, 10)]

    def made(utterance: str, part: str = "test") -> np.ndarray:
        return condition.apply(samples, utterance, part, voices)  # type: ignore[attr-defined]

    found = made("a")
    assert found.shape == samples.shape and np.isfinite(found).all() and not np.array_equal(found, samples)
    np.testing.assert_array_equal(found, made("a"))
    is_drawn = condition.group in ("pink noise", "babble", "rooms")  # type: ignore[attr-defined]
    assert np.array_equal(found, made("a", "valid")) != is_drawn
    if condition.group == "level":  # type: ignore[attr-defined]
        gain = float(condition.name.split()[1])  # type: ignore[attr-defined]
        assert speech_level(found) - speech_level(samples) == pytest.approx(gain, abs=1e-3)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with a network on an encoder and one from scratch, trained and decoded."""
    folder = tmp_path_factory.mktemp("recipe")
    record_corpus(folder)
    confs = {"whisper": encoder_experiment_conf(save_encoder(folder / "whisper")), "scratch": fbank_conf()}
    for name, conf in confs.items():
        experiment = open_experiment(folder, conf, name)
        train_run(experiment, 1, 0)
        decode_run(experiment, 1, 0)
        write_json(experiment.exp_dir / "conf.json", conf_to_dict(conf))
    shutil.copytree(folder / "data/folds", folder / "data/folds/tiny")
    shutil.copytree(folder / "data/lang", folder / "data/lang_phone")
    write_text(folder / "run.sh", "")
    return folder


@pytest.fixture(scope="module")
def run(recipe: Path) -> Callable[..., str]:
    def call(*options: str, status: int = 0) -> str:
        command = [sys.executable, str(ROOT / "local/test_robustness.py"), "--recipe", str(recipe), *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    return call


def test_two_systems_side_by_side(recipe: Path, run: Callable[..., str], tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    report = run("--exp", "whisper", "--exp", "scratch", "--results", str(results))
    assert report.count("mean over groups") == 3 and "whisper UA %" in report and "mu-law (heard)" not in report
    assert (recipe / "exp/whisper/robustness.md").read_text() in report
    assert (recipe / "exp/whisper/figures/robustness.png").is_file()
    for name in ("whisper", "scratch"):
        run_dir = recipe / f"exp/{name}/fold_1/seed_0"
        rows = {c.name: list(read_jsonl(condition_path(run_dir, c, "test"))) for c in (CLEAN, *CONDITIONS)}
        decoded = list(read_jsonl(run_dir / "predictions.jsonl"))
        for before, after, quiet in zip(decoded, rows["clean"], rows["level -30 dB"], strict=True):
            assert before["id"] == after["id"] and before["emotion"]["ref"] == after["emotion"]["ref"]
            # What stage 2 keeps of an encoder is rounded to half precision.
            assert after["emotion"]["probs"] == pytest.approx(before["emotion"]["probs"], abs=2e-2)
            assert quiet["emotion"]["probs"] == pytest.approx(after["emotion"]["probs"], abs=1e-3)
        found = read_json(recipe / f"exp/{name}/robustness.json")
        scores = {block["name"]: block for block in found["conditions"]}
        assert list(scores) == list(rows)
        for condition, block in scores.items():
            refs, hyps = ([row["emotion"][key] for row in rows[condition]] for key in ("ref", "hyp"))
            expected = recall_score(refs, hyps, average="macro", zero_division=0.0)
            assert block["tasks"]["emotion"]["UA"] == pytest.approx(expected)
            same = [hyp == row["emotion"]["hyp"] for hyp, row in zip(hyps, rows["clean"], strict=True)]
            assert block["selective"]["unchanged"] == pytest.approx(np.mean(same))
            assert not block["heard"] and "gender" in block["tasks"] and "intensity" in block["tasks"]
        means = [np.mean([scores[name]["tasks"]["emotion"]["UA"] for name in names]) for names in WANTED.values()]
        assert [block["value"] for block in found["groups"].values()] == pytest.approx(means)
        assert found["overall"]["value"] == pytest.approx(np.mean(means))
        assert found["overall"]["share"] == pytest.approx(np.mean(means) / scores["clean"]["tasks"]["emotion"]["UA"])
        kept = recipe / f"results/{name}/robustness.json.gz"
        assert str(kept) in report and rescore_robustness(kept)["overall"] == found["overall"]
    shown = results.read_text()
    assert f"docs/figures/robustness_{found['corpus']}.png" in shown and "### tiny: robustness" in shown
    assert (tmp_path / f"docs/figures/robustness_{found['corpus']}.png").is_file()


def test_what_is_there_is_not_made_again(recipe: Path, run: Callable[..., str]) -> None:
    first = run("--exp", "scratch")
    folder = condition_path(recipe / "exp/scratch/fold_1/seed_0", CLEAN, "test").parent
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*.jsonl")}
    lost = folder / "pink_10_dB.jsonl"
    content = lost.read_text()
    lost.unlink()
    assert run("--exp", "scratch") == first and lost.read_text() == content
    assert {path for path, time in times.items() if path.stat().st_mtime_ns == time} == times.keys() - {lost}
    # Other weights have other answers.
    marker = folder / "made_from.json"
    write_json(marker, {**read_json(marker), "weights": "others"})
    run("--exp", "scratch")
    assert all(path.stat().st_mtime_ns != time for path, time in times.items())
    # Valid has files of its own.
    run("--exp", "scratch", "--part", "valid")
    assert len(list((recipe / "exp/scratch/robustness/valid/fold_1/seed_0").glob("*.jsonl"))) == 18
    assert read_json(recipe / "exp/scratch/robustness_valid.json")["fitted_on"] == CONDITION_NAMES
    # What is marked on test, and by an exported model, is then fitted on them.
    assert read_json(recipe / "exp/scratch/robustness.json")["fitted_on"] == []
    assert "uncertain: fitted on valid, under 17 conditions" in run("--exp", "scratch")
    found = read_json(recipe / "exp/scratch/robustness.json")
    run_dir = recipe / "exp/scratch/fold_1/seed_0"
    description = export_run(run_dir, recipe / "model")
    assert found["fitted_on"] == description["fitted_on"]["conditions"] == CONDITION_NAMES  # type: ignore[index]
    threshold = description["calibration"]["emotion"]["threshold"]
    temperature = description["calibration"]["emotion"]["temperature"]
    confidences = [
        apply_temperature(np.array([list(row["emotion"]["probs"].values())]), temperature).max()
        for row in read_jsonl(condition_path(run_dir, CLEAN, "test"))
    ]
    assert found["conditions"][0]["selective"]["marked"] == pytest.approx(np.mean(np.array(confidences) < threshold))
    # Of other weights they say nothing.
    marker = condition_path(run_dir, CLEAN, "valid").with_name("made_from.json")
    write_json(marker, {**read_json(marker), "weights": "others"})
    assert export_run(run_dir, recipe / "model")["fitted_on"]["conditions"] == []  # type: ignore[index]
    assert "has no finished run" in run("--exp", "nothing", status=2)

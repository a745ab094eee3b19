"""The ablation, the baseline and the figure selected on test: small, on disk, and scored by the one scorer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corpus_builders import speech_like
from fake_experiment import make_conf
from fake_experiment import make_experiment as make_scored
from tiny_experiment import make_experiment, tiny_conf

from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.report.cells import leading_columns
from seq.score.score import score_experiment
from seq.studies.ablation import ablation_report, ablation_rows, ablation_scores
from seq.studies.baseline import GRID, choose_c, run_baseline
from seq.studies.comparison import differences, plot_differences
from seq.studies.functionals import choose_features, own_functionals, statistics
from seq.studies.selected_on_test import select_on_test, selection_report
from seq.tasks.registry import main_task
from seq.utils.files import read_json, read_jsonl, write_json, write_jsonl

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tiny(tmp_path: Path) -> Recipe:
    """The tiny experiment laid out as a recipe folder."""
    source = tmp_path / "source"
    source.mkdir()
    experiment = make_experiment(source, tiny_conf())
    recipe = Recipe(tmp_path / "egs/tiny", experiment.conf, experiment.protocol)
    for target in (recipe.cuts, recipe.fbank_cuts):
        target.parent.mkdir(parents=True)
        shutil.copy(experiment.cuts, target)
    shutil.copytree(experiment.folds_dir, recipe.folds_dir)
    shutil.copytree(experiment.lang_dir, recipe.lang_dir)
    return recipe


def fake_vectors(recipe: Recipe, cache: Path) -> None:
    """Vectors in the cache from which a linear model can tell the emotions."""
    from seq.studies.functionals import VERSION
    from seq.utils.files import sha256

    rows = [(cut["id"], cut["supervisions"][0]["custom"]["emotion"]) for cut in read_jsonl(recipe.cuts)]
    names = sorted({emotion for _, emotion in rows})
    rng = np.random.default_rng(0)
    vectors = np.stack([np.eye(len(names))[names.index(emotion)] + rng.normal(0, 0.1, 3) for _, emotion in rows])
    cache.parent.mkdir(parents=True, exist_ok=True)
    key = f"own {VERSION} {sha256(recipe.cuts)}"
    np.savez(cache, key=np.array(key), ids=np.array([id_ for id_, _ in rows]), vectors=vectors)


def test_baseline_writes_what_the_scorer_reads(tiny: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    fake_vectors(tiny, tiny.exp_dir("functionals_own.npz"))
    exp_dir = tiny.exp_dir("baseline")
    run_baseline(tiny, "own", exp_dir, [1], [0], 1, "here")
    scores = score_experiment(tiny.conf, None, tiny.cuts, tiny.folds_dir, exp_dir, [1], [0])
    assert scores["tasks"] == ["emotion"] and scores["pooled"]["emotion"]["UA"] == 1.0
    assert scores["valid"]["pooled"]["emotion"]["UA"] == 1.0
    assert read_json(exp_dir / "fold_1/seed_0/run.json")["C"] in GRID
    run_baseline(tiny, "own", exp_dir, [1], [0], 1, "here")
    assert "up to date" in capsys.readouterr().out


def test_c_is_chosen_on_valid() -> None:
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(60, 5)), ["a", "b", "c"] * 20
    vectors[:, 0] += [{"a": -9, "b": 0, "c": 9}[label] for label in labels]
    classifier, scores = choose_c((vectors[:40], labels[:40]), (vectors[40:], labels[40:]), 0)
    best = max(scores.values())
    assert next(f"{c:g}" for c in GRID if scores[f"{c:g}"] == best) == f"{classifier[-1].C:g}"
    assert best > 0.9


def test_functionals() -> None:
    noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    sizes = set()
    for samples in (speech_like(0.5, 16000, 1), np.zeros(4000, np.float32), noise[:400]):
        vector = own_functionals(samples, np.zeros((max(1, len(samples) // 160), 80), np.float32))
        assert np.isfinite(vector).all()
        sizes.add(vector.shape)
    assert len(sizes) == 1
    ramp = statistics(np.linspace(0, 1, 101)[:, None])
    assert ramp[0] == pytest.approx(0.5) and ramp[6] == pytest.approx(0.5) and ramp[-1] == pytest.approx(0.5)


def test_features_that_need_opensmile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert choose_features("auto") == "own"
    with pytest.raises(InputError, match="pip install opensmile"):
        choose_features("compare")
    with pytest.raises(InputError, match="choose from"):
        choose_features("mfcc")


def test_selected_on_test_is_apart_and_labelled(tiny: Recipe) -> None:
    result = select_on_test(tiny, "x_tiny", ["emotion"], [1], [0], 1, "cpu", "here")
    exp_dir = tiny.exp_dir("x_tiny_selected_on_test")
    stored = read_json(exp_dir / "selected_on_test.json")
    assert stored["selected_on"] == "test" and "must not be quoted" in stored["warning"]
    assert not (exp_dir / "scores.json").exists()
    # What is scored is the test speaker of the real fold, with the epoch that has its highest UA.
    assert list(stored["pooled"]["emotion"]["speakers"]) == ["s3"]
    history = list(read_jsonl(exp_dir / "fold_1/seed_0/history.jsonl"))
    assert stored["pooled"]["emotion"]["UA"] == pytest.approx(max(row["valid"]["emotion"]["UA"] for row in history))
    report = selection_report(result)
    assert report.splitlines()[0].endswith("SELECTED ON TEST") and "SELECTED ON TEST: UA" in report


def spoil(path: Path, count: int) -> None:
    """Make the first `count` emotions of a file wrong."""
    rows = list(read_jsonl(path))
    for row in rows[:count]:
        row["emotion"]["hyp"] = "sad" if row["emotion"]["ref"] != "sad" else "happy"
    write_jsonl(path, rows)


def test_ablation_table(tmp_path: Path) -> None:
    paths = make_scored(tmp_path)
    conf = make_conf()
    recipe = Recipe(tmp_path, conf, conf.protocols[0])
    rows = ablation_rows({"emotion", "gender", "phone"})
    assert [row.tasks for row in rows] == [
        ["emotion"],
        ["emotion", "intensity"],
        ["emotion", "gender"],
        ["emotion", "phone"],
        ["emotion", "intensity", "gender", "phone"],
    ]
    assert rows[1].missing and not rows[2].missing and "intensity without labels" in rows[4].name
    for row in rows:
        if row.missing is None:
            exp_dir = recipe.exp_dir(row.exp_name("short", "two"))
            shutil.copytree(paths["exp_dir"], exp_dir)
            if row.tasks == ["emotion"]:
                spoil(exp_dir / "fold_1/seed_0/predictions.jsonl", 3)
            scores = score_experiment(conf, None, paths["cuts"], paths["folds_dir"], exp_dir)
            write_json(exp_dir / "scores.json", scores)
    report = ablation_report(recipe, rows, "short", "run it", ["train.num_epochs=5"])
    assert "train.num_epochs=5" in report and "+ intensity: not run, the corpus has no labels" in report
    first = next(line for line in report.splitlines() if line.startswith("| emotion"))
    better = next(line for line in report.splitlines() if line.startswith("| + gender"))
    assert "|  87.50 |" in first and "| 100.00 |" in better and "untestable (n=4)" in better and "+12.50" in better
    tested = differences(ablation_scores(recipe, rows, "short"), leading_columns(main_task())[0])
    assert list(tested) == ["+ gender", "+ phone", rows[4].name]
    plot_differences({"one": tested, "two": tested}, "UA", tmp_path / "differences.png")
    assert (tmp_path / "differences.png").stat().st_size > 5000
    write_json(exp_dir / "scores.json", {**scores, "folds": scores["folds"][:1]})
    with pytest.raises(InputError, match="differ in folds"):
        ablation_report(recipe, rows, "short", "run it", [])


def test_ablation_runs_every_row_by_the_runner(tmp_path: Path) -> None:
    """A stub in place of run.sh notes what it is asked for, and stops at the second row the first time."""
    recipe = tmp_path / "egs/fake"
    (recipe / "conf").mkdir(parents=True)
    paths = make_scored(recipe)
    conf = make_conf()
    from seq.conf import conf_to_dict

    (recipe / "conf/default.yaml").write_text(json.dumps(conf_to_dict(replace(conf))))
    (recipe / "data/lang_phone").mkdir()
    (recipe / "data/lang_phone/text").write_text("01-0 K\n")
    scores = score_experiment(conf, None, paths["cuts"], paths["folds_dir"], paths["exp_dir"])
    write_json(recipe / "ready.json", scores)
    stub = """#!/usr/bin/env bash
cd "$(dirname "$0")" || exit 1
echo "$*" >> calls
[[ $* != *--exp-name* ]] && exit 0
all="$*"
name=${all##*--exp-name }
mkdir -p "exp/$name" && cp ready.json "exp/$name/scores.json"
[[ -e fail && $name == *intensity ]] && exit 7
exit 0
"""
    (recipe / "run.sh").write_text(stub)
    (recipe / "run.sh").chmod(0o755)
    script = [sys.executable, str(ROOT / "local/run_ablation.py"), "--recipe", str(recipe)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*script, "--set", "train.num_epochs=3"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "--name" in done.stderr
    (recipe / "fail").touch()
    assert subprocess.run([*script], env=env, capture_output=True, check=False).returncode == 7
    (recipe / "fail").unlink()
    (recipe / "calls").unlink()
    options = ["--name", "short", "--set", "train.num_epochs=3", "--folds", "1,2"]
    done = subprocess.run([*script, *options], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    calls = (recipe / "calls").read_text().splitlines()
    assert "--stop-stage 4" in calls[0] and len(calls) == 6
    names = [call.split("--exp-name ")[1] for call in calls[1:]]
    assert names == [
        "short_two_emotion",
        "short_two_emotion+intensity",
        "short_two_emotion+gender",
        "short_two_emotion+phone",
        "short_two",
    ]
    assert all("--set train.num_epochs=3" in call and "--folds 1,2" in call for call in calls)
    assert "+ intensity" in (recipe / "exp/short_two_ablation.md").read_text()
    (recipe / "calls").unlink()
    done = subprocess.run(
        [*script, *options, "--cluster", "tcp://host:1"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    calls_of_a_cluster = [f"{call} --cluster tcp://host:1" for call in calls]
    for word in ("--stop-stage", "--tasks"):
        found, wanted = (
            sorted(sorted(call.split()) for call in rows if word in call)
            for rows in ((recipe / "calls").read_text().splitlines(), calls_of_a_cluster)
        )
        assert found == wanted

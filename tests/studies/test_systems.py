"""Systems beside ours: their table from scores.json, their commands, and functionals that are selected."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_experiment import cells, make_conf
from fake_experiment import make_experiment as make_scored
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from seq.conf import conf_to_dict
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.score.score import score_experiment
from seq.studies.baseline import GRID, NUM_KEPT, choose_classifier
from seq.studies.systems import SYSTEMS, choose_systems, systems_report
from seq.utils.files import read_jsonl, write_json, write_jsonl
from seq.utils.model_conf import model_names

ROOT = Path(__file__).resolve().parents[2]


def test_every_system_is_there() -> None:
    prefixes = [system.prefix for system in SYSTEMS]
    assert len(set(prefixes)) == len(SYSTEMS)
    assert {system.model for system in SYSTEMS if system.model} <= set(model_names())
    assert {system.without for system in SYSTEMS} - {""} <= set(prefixes) and all(system.note for system in SYSTEMS)


@pytest.mark.filterwarnings("ignore:Features")
def test_features_are_chosen_on_valid() -> None:
    """Against every classifier of the grid, made by scikit-learn alone."""
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b", "c"] * 30)
    vectors = rng.normal(size=(90, 120))
    vectors[:, :10] += 0.9 * (labels[:, None] == "a") - 0.9 * (labels[:, None] == "b")
    vectors[:, 50] = 1.0
    train, valid = (vectors[:60], labels[:60].tolist()), (vectors[60:], labels[60:].tolist())
    found: dict[int, list[float]] = {}
    for number in (25, 50, 100, 120):
        found[number] = []
        for c in GRID:
            model = make_pipeline(
                StandardScaler(), SelectKBest(f_classif, k=number), SVC(C=c, kernel="linear", class_weight="balanced")
            )
            with np.errstate(all="ignore"):
                predicted = model.fit(*train).predict(valid[0])
            found[number].append(recall_score(valid[1], predicted, average="macro"))
    best, of_c, of_number = choose_classifier(train, valid, 0, is_selected=True)
    assert of_number == pytest.approx({str(n): max(scores) for n, scores in found.items()})
    # Of several with the same UA the fewest features, then the smallest C.
    most = max(max(scores) for scores in found.values())
    number = next(n for n, scores in found.items() if max(scores) == pytest.approx(most))
    assert best[1].get_support().sum() == number and number < 120 and number in NUM_KEPT
    assert list(of_c.values()) == pytest.approx(found[number])
    assert GRID[int(np.argmax(np.round(found[number], 9)))] == best[-1].C
    assert list(choose_classifier(train, valid, 0, is_selected=False)[2]) == ["120"]


def spoil(path: Path, count: int) -> None:
    rows = list(read_jsonl(path))
    for row in rows[:count]:
        row["emotion"]["hyp"] = "sad" if row["emotion"]["ref"] != "sad" else "happy"
    write_jsonl(path, rows)


def test_the_command_and_its_table(tmp_path: Path) -> None:
    """A stub in place of run.sh notes what it is asked for; the second system of a pair makes fewer mistakes."""
    recipe = tmp_path / "egs/fake"
    (recipe / "conf").mkdir(parents=True)
    paths, conf = make_scored(recipe), make_conf()
    conf.model_name = "small"
    (recipe / "conf/default.yaml").write_text(json.dumps(conf_to_dict(conf)))
    for name, wrong in (("good", 1), ("bad", 3)):
        exp_dir = recipe / "made" / name
        shutil.copytree(paths["exp_dir"], exp_dir)
        spoil(exp_dir / "fold_1/seed_0/predictions.jsonl", wrong)
        scores = score_experiment(conf, None, paths["cuts"], paths["folds_dir"], exp_dir)
        write_json(recipe / f"{name}.json", scores)
    stub = """#!/usr/bin/env bash
cd "$(dirname "$0")" || exit 1
echo "$*" >> calls
all="$*"
name=${all##*--exp-name }
[[ -e fail && $name == *mixspeech* ]] && exit 7
which=bad; [[ $name == *mixspeech* ]] && which=good
mkdir -p "exp/$name" && cp "$which.json" "exp/$name/scores.json"
"""
    (recipe / "run.sh").write_text(stub)
    (recipe / "run.sh").chmod(0o755)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        script = [sys.executable, str(ROOT / "local/run_systems.py"), "--recipe", str(recipe), *options]
        return subprocess.run(script, env=env, capture_output=True, text=True, check=False)

    (recipe / "fail").touch()
    only = ("--only", "scratch,scratch-mixspeech,baseline_egemaps")
    assert run(*only).returncode == 7
    (recipe / "fail").unlink()
    (recipe / "calls").unlink()
    assert "--name" in run(*only, "--set", "train.num_epochs=3").stderr
    done = run(*only, "--name", "short", "--set", "train.num_epochs=3")
    assert done.returncode == 0, done.stderr
    calls = (recipe / "calls").read_text().splitlines()
    names = ["short-small_two", "short-scratch_two", "short-scratch-mixspeech_two"]
    assert [call.split("--exp-name ")[1] for call in calls] == names
    assert all("--set train.num_epochs=3" in call and "--protocol two" in call for call in calls)
    report = (recipe / "exp/short_two_systems.md").read_text()
    assert report.strip() in done.stdout and "openSMILE eGeMAPS: not run, openSMILE is not installed" in done.stdout
    pair = report.split("What MixSpeech adds:")[1]
    with_it, without = cells(pair, "MixSpeech"), cells(pair, "from scratch")
    assert float(with_it[2]) > float(without[2]) and with_it[4].startswith("+") and not without[4]
    assert "conf changed by train.num\\_epochs=3" in report or "conf changed by train.num_epochs=3" in report
    assert "- MixSpeech: Meng et al. 2021" in report and "ours (small)" in report
    made = Recipe(recipe, conf, conf.protocols[0])
    with pytest.raises(InputError, match=r"has no scores\.json"):
        systems_report(made, choose_systems(["scratch"], "small"), "here", name="other")
    with pytest.raises(InputError, match="--only nothing: choose from scratch, "):
        choose_systems(["nothing"], "small")

"""Printed figures can be had again: from the committed predictions, by scikit-learn, without a line of our scoring."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_experiment import cells, make_conf, make_experiment, predictions_path, read_rows
from kept_few_shot import rescore_few_shot
from kept_robustness import area_over_groups, rescore_robustness
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, mean_absolute_error

from seq.errors import InputError
from seq.report.kept_results import keep_results, kept_dir
from seq.score import predictions
from seq.score.score import score_experiment
from seq.utils.files import write_json, write_jsonl

ROOT = Path(__file__).resolve().parents[2]
KEPT = sorted(path.parent for path in ROOT.glob("egs/*/results/*/scores.json"))
FEW_SHOT = sorted(ROOT.glob("egs/*/results/*/few_shot.json.gz"))
ROBUSTNESS = sorted(ROOT.glob("egs/*/results/*/robustness*.json.gz"))


def edit_distance(ref: list[str], hyp: list[str]) -> int:
    row = list(range(len(hyp) + 1))
    for i, wanted in enumerate(ref, start=1):
        diagonal, row[0] = row[0], i
        for j, said in enumerate(hyp, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != said))
    return row[-1]


def metrics(task: str, answers: list[dict[str, Any]], about: dict[str, Any]) -> dict[str, float]:
    """The metrics of one seed's answers; empty for a task that this test does not know."""
    refs, hyps = [a["ref"] for a in answers], [a["hyp"] for a in answers]
    if task == "emotion":
        return {
            "UA": balanced_accuracy_score(refs, hyps),
            "WA": accuracy_score(refs, hyps),
            "macro_f1": f1_score(refs, hyps, average="macro"),
        }
    if task == "gender":
        return {"accuracy": accuracy_score(refs, hyps)}
    if task == "phone":
        errors = sum(edit_distance(ref, hyp) for ref, hyp in zip(refs, hyps, strict=True))
        return {"PER": errors / sum(map(len, refs))}
    if task == "intensity":
        levels = about["confusion"]["labels"]
        nearest = [[min(levels, key=lambda level: abs(float(level) - x)) for x in part] for part in (refs, hyps)]
        values = [a["value"] for a in answers]
        return {
            "UA": balanced_accuracy_score(*nearest),
            "MAE": mean_absolute_error(refs, values),
            "spearman": spearmanr(refs, values).statistic,
        }
    return {}


def read_answers(folder: Path) -> list[dict[str, Any]]:
    with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def rescore(folder: Path) -> int:
    """Compare scores.json, all folds and each, with the predictions beside it; returns how many figures."""
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    rows = read_answers(folder)
    # Under cross_corpus, every fold's model answers.
    assert len({(row["id"], row["fold"], row["seed"]) for row in rows}) == len(rows)
    number = 0
    for pool in (scores["pooled"], *scores["folds"]):
        inside = [row for row in rows if row["fold"] == pool.get("fold", row["fold"])]
        assert len(inside) == pool["num_utterances"] * len(scores["seeds"])
        for task in scores["tasks"]:
            known = [row for row in inside if row[task]["ref"] is not None]
            assert len(known) == pool[task]["n"] * len(scores["seeds"])
            # Metrics are computed for every seed, and then averaged.
            seeds = [[row[task] for row in known if row["seed"] == seed] for seed in scores["seeds"]]
            found = [metrics(task, answers, pool[task]) for answers in seeds if answers]
            for name in found[0] if found else ():
                mean = np.mean([values[name] for values in found])
                expected = np.nan if pool[task][name] is None else pool[task][name]
                assert mean == pytest.approx(expected, abs=1e-6, nan_ok=True), (pool.get("fold"), task, name)
                number += 1
    return number


def likeliest(answer: dict[str, Any], categories: list[str]) -> str:
    """Of these categories; probabilities are rounded, so that the first of all may not be alone."""
    return answer["hyp"] if answer["hyp"] in categories else max(categories, key=answer["probs"].__getitem__)


def rescore_corpora(folder: Path) -> list[tuple[str, list[str]]]:
    """Compare what several corpora have in scores.json with the predictions; the rows of the printed table."""
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    corpora = scores.get("corpora") or {}
    answers = read_answers(folder) if corpora else []

    def check(block: dict[str, Any], corpus: str, fold: int | None = None) -> str:
        found = []
        for seed in scores["seeds"]:
            inside = [row for row in answers if row["seed"] == seed and row["fold"] == (fold or row["fold"])]
            asked = [row["emotion"] for row in inside if row["speaker"].startswith(f"{corpus}:")]
            known = [answer for answer in asked if answer["ref"] in block["categories"]]
            hyps = [likeliest(answer, block["categories"]) for answer in known]
            assert len(known) == block["num_utterances"] > 0
            found.append(balanced_accuracy_score([answer["ref"] for answer in known], hyps))
        assert np.mean(found) == pytest.approx(block["emotion"]["UA"], abs=1e-6)
        return f"{100 * block['emotion']['UA']:.2f}"

    if matrix := corpora.get("matrix"):
        cells = [list(zip(row, matrix["test"], strict=True)) for row in matrix["cells"]]
        return [
            (name, [check(block, corpus, fold) for block, corpus in row])
            for fold, (name, row) in enumerate(zip(matrix["train"], cells, strict=True), start=1)
        ]
    return [(corpus, [check(block, corpus)]) for corpus, block in corpora.get("rows", {}).items()]


@pytest.mark.parametrize("folder", KEPT, ids=lambda path: f"{path.parents[1].name}-{path.name}")
def test_committed_results(folder: Path) -> None:
    assert rescore(folder)
    pooled = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["pooled"]
    marker = f"<!-- results:egs/{folder.parents[1].name}/exp/{folder.name} -->"
    results = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
    expected = [f"{100 * pooled['emotion'][name]:.2f}" for name in ("UA", "WA")] if "emotion" in pooled else []
    if by_corpus := rescore_corpora(folder):
        for corpus, numbers in by_corpus:
            rows = [line for line in results.splitlines() if line.startswith(f"| {corpus} ")]
            assert any(all(number in row for number in numbers) for row in rows)
    elif marker in results:
        printed = cells(results.split(marker, 1)[1].split("<!-- end -->", 1)[0], "**pooled**")
        assert printed[1] == str(pooled["num_utterances"]) and printed[3:5] == expected
    else:
        # A row of a table that compares experiments.
        tables = [[cell.strip() for cell in line.split("|")] for line in results.splitlines() if line.startswith("|")]
        assert any(set(expected) <= set(row) for row in tables)


@pytest.mark.parametrize("path", ROBUSTNESS, ids=lambda path: f"{path.parents[2].name}-{path.parent.name}")
def test_committed_robustness(path: Path) -> None:
    scores = rescore_robustness(path)
    results = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
    marker = f"<!-- results:{path.name.partition('.')[0]}_{scores['corpus']} -->"
    block = results.split(marker, 1)[1].split("<!-- end -->", 1)[0]
    own = block.split(f"#### {scores['experiment']}", 1)[1]
    for condition in scores["conditions"]:
        named = condition["name"] + " (heard)" * condition["heard"]
        assert cells(own, named)[1] == f"{100 * condition['tasks']['emotion']['UA']:.2f}"


@pytest.mark.parametrize("path", FEW_SHOT, ids=lambda path: f"{path.parents[2].name}-{path.parent.name}")
def test_committed_few_shot(path: Path) -> None:
    result = json.loads(gzip.decompress(path.read_bytes()))
    assert rescore_few_shot(result)
    results = (ROOT / "RESULTS.md").read_text(encoding="utf-8").split("<!-- results:few-shot -->", 1)[1]
    own = results.split(f"### Few-shot: {result['source']['corpus']} to {result['target']['corpus']}", 1)[1]
    for row in result["rows"]:
        # The column of a k, after the name of the method.
        column = 1 + result["shots"].index(row["k"])
        assert cells(own, row["method"])[column].startswith(f"{100 * row['UA']:.2f} ")


def test_the_network_of_before_under_the_same_conditions() -> None:
    folder = ROOT / "egs/ravdess/results"
    before = json.loads(gzip.decompress((folder / "73c75f9/answers_under_conditions.json.gz").read_bytes()))
    now = json.loads(gzip.decompress((folder / "whisper-tiny.en-robust_emobox/robustness.json.gz").read_bytes()))
    assert before["utterances"] == now["utterances"] and before["labels"] == now["labels"]
    groups = {block["name"]: block["group"] for block in now["scores"]["conditions"]}
    assert before["groups"] == groups
    refs = np.array([ref for _, _, ref in now["utterances"]])
    by_group: dict[str, list[str]] = {}
    for name, group in groups.items():
        if name != "clean":
            by_group.setdefault(group, []).append(name)

    def mean_recall(name: str) -> float:
        return balanced_accuracy_score(refs, before["answers"][name]["hyp"])

    old = area_over_groups(before["answers"], by_group, refs)
    new = area_over_groups({name: runs[0] for name, runs in now["answers"].items()}, by_group, refs)
    results = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
    row = next(line for line in results.splitlines() if line.startswith("| AURC over all conditions beside 73c75f9"))
    assert f"{new / old:.2f} of it ({100 * new:.2f} and {100 * old:.2f})" in row
    over_groups = np.mean([np.mean([mean_recall(name) for name in names]) for names in by_group.values()])
    assert f"{100 * mean_recall('clean'):.2f} clean and {100 * over_groups:.2f} over the groups" in results


def make_scored(root: Path) -> dict[str, Path]:
    """Two folds and two seeds; the second seed errs in every task. Returns the paths that `keep_results` takes."""
    paths = make_experiment(root)
    for fold in (1, 2):
        path = predictions_path(paths["exp_dir"], fold)
        path.with_name("valid_predictions.jsonl").unlink()
        rows = list(read_rows(path).values())
        for number, row in enumerate(rows):
            row["seed"] = 1
            row["emotion"]["probs"] = {"neutral": 1 / 3, "happy": 0.123456789, "sad": 0.5}
            row["intensity"] |= {"value": 1 / (number + 3), "probs": [0.98765432, 1 / 3, 0.0]}
            row["phone"]["hyp_times"] = row["phone"]["ref_times"] = [[0.0, 0.04]] * 4
            if number % 3 == fold:
                row["emotion"]["hyp"] = "sad"
                row["intensity"]["hyp"] = 1.0
                row["gender"]["hyp"] = "F"
                row["phone"]["hyp"] = ["D", "K", "K", "Z", "Z"]
        rows[1]["phone"]["ref"] = None
        write_jsonl(predictions_path(paths["exp_dir"], fold, seed=1), rows)
        first = list(read_rows(path).values())
        first[1]["phone"]["ref"] = None
        write_jsonl(path, first)
    command = "./run.sh --corpus-dir /home/me/fake --seeds 0,1"
    scores = score_experiment(make_conf(), "two", **paths, seeds=[0, 1], command=command)
    path = paths["exp_dir"] / "scores.json"
    write_json(path, scores)
    return {"scores_path": path, "exp_dir": paths["exp_dir"]}


def test_what_is_kept_is_what_was_scored(tmp_path: Path) -> None:
    paths = make_scored(tmp_path / "egs/fake")
    folder = keep_results(**paths)
    assert folder == tmp_path / "egs/fake/results/x_two"
    # Eight figures of both folds together, and of each.
    assert rescore(folder) == 3 * 8
    kept = predictions.read_rows(folder / "predictions.jsonl.gz")
    units = [(1, 0), (1, 1), (2, 0), (2, 1)]
    original = [row for unit in units for row in predictions.read_rows(predictions_path(paths["exp_dir"], *unit))]
    assert [(row.fold, row.seed, row.id) for row in kept] == [(row.fold, row.seed, row.id) for row in original]
    assert kept[12].tasks["emotion"].probs == {"neutral": 0.3333, "happy": 0.1235, "sad": 0.5}
    assert kept[12].tasks["intensity"].probs == [0.9877, 0.3333, 0.0]
    assert kept[12].tasks["intensity"].value == original[12].tasks["intensity"].value == 1 / 3
    assert original[12].tasks["phone"].hyp_times and kept[12].tasks["phone"].hyp_times is None
    text = (folder / "scores.json").read_text(encoding="utf-8")
    assert "--corpus-dir .../fake" in text and "/home/me" not in text

    before = (folder / "predictions.jsonl.gz").read_bytes()
    (folder / "predictions.jsonl.gz").unlink()
    keep_results(**paths)
    assert (folder / "predictions.jsonl.gz").read_bytes() == before
    # No time, and no name that another run would have otherwise.
    assert before[3:8] == bytes(5)

    lines = [json.loads(line) for line in gzip.decompress(before).decode().splitlines()]
    lines[0]["gender"]["hyp"] = "F"
    (folder / "predictions.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    with pytest.raises(AssertionError, match="accuracy"):
        rescore(folder)


def test_the_script_keeps_what_it_prints(tmp_path: Path) -> None:
    paths = make_scored(tmp_path / "egs/fake")
    exp_dir, results = paths["exp_dir"], tmp_path / "RESULTS.md"
    script = [sys.executable, str(ROOT / "local/report_scores.py"), "--exp-dir", str(exp_dir), "--scores"]
    script += [str(paths["scores_path"]), "--out", str(exp_dir / "report.md")]
    subprocess.run(script, check=True, capture_output=True)
    assert not kept_dir(exp_dir).exists()
    subprocess.run([*script, "--results", str(results)], check=True, capture_output=True)
    assert "<!-- results:egs/fake/exp/x_two -->" in results.read_text(encoding="utf-8")
    assert rescore(kept_dir(exp_dir))

    results.unlink()
    predictions_path(exp_dir, 2, seed=1).unlink()
    done = subprocess.run([*script, "--results", str(results)], check=False, capture_output=True, text=True)
    assert done.returncode == 2 and "seed_1/predictions.jsonl cannot be read" in done.stderr
    assert not results.exists()
    with pytest.raises(InputError, match="is not egs/<corpus>/exp/<name>"):
        kept_dir(tmp_path / "elsewhere/x_two")

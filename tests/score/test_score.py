"""Stage 7 on a small experiment with known values, and on every way in which predictions can be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_experiment import make_conf, make_experiment, predictions_path, read_rows

from seq.errors import InputError
from seq.score.score import score_experiment
from seq.utils.files import read_json, write_json, write_jsonl


def score(paths: dict[str, Path], **options: Any) -> dict[str, Any]:
    return score_experiment(make_conf(), "two", **paths, **options)


def test_known_values(tmp_path: Path) -> None:
    paths = make_experiment(tmp_path)
    path = predictions_path(paths["exp_dir"], 1)
    rows = read_rows(path)
    rows["01-0"]["emotion"] |= {"hyp": "sad", "probs": {"neutral": 0.1, "happy": 0.0, "sad": 0.9}}
    rows["01-1"]["intensity"] |= {"hyp": 1.0, "value": 0.9}
    rows["02-0"]["gender"]["hyp"] = "M"
    rows["02-0"]["phone"]["hyp"] = ["K", "D", "T", "Z"]
    rows["02-1"]["phone"] = {"ref": None, "hyp": ["K"]}
    write_jsonl(path, rows.values())
    write_json(path.with_name("run.json"), {"wall_seconds": 90.0, "peak_rss_mib": 512.5, "ctc_backend": "torch"})

    scores = json.loads(json.dumps(score(paths, command="./run.sh"), allow_nan=False))
    first, second = scores["folds"]
    assert (first["fold"], first["num_utterances"], first["num_speakers"]) == (1, 12, 2)
    assert first["emotion"]["UA"] == pytest.approx((3 / 4 + 1 + 1) / 3)
    assert first["emotion"]["recall"] == pytest.approx({"neutral": 0.75, "happy": 1.0, "sad": 1.0})
    assert first["emotion"]["interval"] == "t over 2 speakers"
    assert second["emotion"]["UA"] == 1.0
    assert second["emotion"]["UA_ci95"] is None
    pooled = scores["pooled"]
    assert pooled["emotion"]["UA"] == pytest.approx((7 / 8 + 1 + 1) / 3)
    assert pooled["emotion"]["WA"] == pytest.approx(23 / 24)
    assert pooled["emotion"]["confusion"]["counts"] == [[7, 0, 1], [0, 8, 0], [0, 0, 8]]
    assert pooled["emotion"]["speakers"]["01"]["UA"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert pooled["intensity"]["UA"] == pytest.approx((1 + 7 / 8 + 1) / 3)
    assert pooled["intensity"]["MAE"] == pytest.approx((0.9 - 2 / 3) / 24)
    assert pooled["gender"]["accuracy"] == pytest.approx(23 / 24)
    assert pooled["phone"]["PER"] == pytest.approx(2 / (4 * 23))
    assert (pooled["phone"]["n"], pooled["emotion"]["n"]) == (23, 24)
    assert (pooled["text_overlap"], pooled["speaker_overlap"]) == (1.0, 0.0)
    assert scores["pooled_without_search"]["emotion"]["UA"] == 1.0
    assert scores["valid"]["pooled"]["emotion"]["UA"] == 1.0
    spread = scores["mean_std"]["gender"]["accuracy"]
    assert (spread["mean"], spread["std"]) == pytest.approx((23 / 24, (1 / 12) / 2**0.5))
    assert (scores["wall_seconds"], scores["peak_rss_mib"], scores["ctc_backend"]) == (90.0, 512.5, "torch")
    assert scores["tasks"] == ["emotion", "intensity", "gender", "phone"]
    assert scores["protocol"]["speaker_disjoint"] is True


def test_seeds_are_averaged(tmp_path: Path) -> None:
    paths = make_experiment(tmp_path)
    for fold in (1, 2):
        rows = read_rows(predictions_path(paths["exp_dir"], fold))
        for row in rows.values():
            row["seed"] = 1
            row["emotion"]["hyp"] = "sad"
        write_jsonl(predictions_path(paths["exp_dir"], fold, seed=1), rows.values())
    with pytest.raises(InputError, match="valid_predictions"):
        score(paths, seeds=[0, 1])
    for fold in (1, 2):
        predictions_path(paths["exp_dir"], fold, name="valid_predictions.jsonl").unlink()
    scores = score(paths, seeds=[0, 1])
    assert scores["pooled"]["emotion"]["UA"] == pytest.approx((1 + 1 / 3) / 2)
    assert scores["pooled"]["emotion"]["seed_std"]["UA"] == pytest.approx((2 / 3) / 2**0.5)
    assert scores["valid"] is None


def test_a_task_without_references_is_null(tmp_path: Path) -> None:
    paths = make_experiment(tmp_path)
    for fold in (1, 2):
        for name in ("predictions.jsonl", "valid_predictions.jsonl"):
            path = predictions_path(paths["exp_dir"], fold, name=name)
            rows = read_rows(path)
            for row in rows.values():
                row["phone"]["ref"] = None
            write_jsonl(path, rows.values())
    assert score(paths)["pooled"]["phone"] == {"n": 0, "num_speakers": 0, "PER": None}


Rows = dict[str, dict[str, Any]]


def _drop(rows: Rows) -> None:
    del rows["02-3"]


def _duplicate(rows: Rows) -> None:
    rows["again"] = rows["01-4"]


def _extra(rows: Rows) -> None:
    rows["03-0"] = rows["01-0"] | {"id": "03-0"}


def _other_labels(rows: Rows) -> None:
    rows["01-2"]["emotion"]["hyp"] = "excited"


def _other_probs(rows: Rows) -> None:
    rows["01-2"]["emotion"]["probs"] = {"happy": 0.5, "angry": 0.5}


def _other_level(rows: Rows) -> None:
    rows["01-2"]["intensity"]["hyp"] = 1 / 3


def _unmerged_reference(rows: Rows) -> None:
    rows["01-2"]["emotion"]["ref"] = "excited"


def _hidden_reference(rows: Rows) -> None:
    rows["01-2"]["intensity"]["ref"] = None


def _other_speaker(rows: Rows) -> None:
    rows["01-2"]["speaker"] = "02"


def _lost_task(rows: Rows) -> None:
    del rows["01-2"]["phone"]


def _lost_hypothesis(rows: Rows) -> None:
    del rows["01-2"]["gender"]["hyp"]


def _answer(task: str, key: str, value: object) -> Callable[[Rows], None]:
    return lambda rows: rows["01-2"][task].update({key: value})


def _probs(value: float) -> Callable[[Rows], None]:
    return _answer("emotion", "probs", {"neutral": value, "happy": 1.0, "sad": 0.0})


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_probs(NAN), r"predictions\.jsonl, line 3: 01-2 has the emotion probability nan, and prob.* from 0 to 1"),
        (_probs(INFINITY), "line 3: 01-2 has the emotion probability inf"),
        (_probs(-0.1), "line 3: 01-2 has the emotion probability -0.1"),
        (_probs(1.0), "line 3: 01-2 has emotion probabilities that sum to 2, and not to 1"),
        (_answer("gender", "probs", {"F": 1e300, "M": 0.0}), "line 3: 01-2 has the gender probability 1e"),
        (_answer("intensity", "probs", [1.0, NAN, 0.0]), "line 3: 01-2 has the intensity probability nan"),
        (_answer("intensity", "value", INFINITY), "line 3: 01-2 has the intensity value inf"),
        (_answer("intensity", "hyp", NAN), "line 3: 01-2 has an intensity hypothesis .nan. that is none of the levels"),
        (_answer("intensity", "ref", NAN), "line 3: 01-2 has the intensity nan as its reference"),
        (lambda rows: rows.update({"01-2": []}), r"predictions\.jsonl, line 3 is not a prediction"),
        (_drop, "02-3 is not predicted"),
        (_duplicate, "01-4 is predicted twice"),
        (_extra, "03-0 is not in this part"),
        (_other_labels, "01-2 has a emotion hypothesis .excited. of another label set"),
        (_other_probs, "01-2 .* another label set"),
        (_other_level, "01-2 has an intensity hypothesis .* none of the levels"),
        (_unmerged_reference, "01-2 has the emotion excited as its reference, the manifest happy"),
        (_hidden_reference, "01-2 has the intensity None as its reference"),
        (_other_speaker, "01-2 has the speaker 02"),
        (_lost_task, "01-2 has the tasks"),
        (_lost_hypothesis, "01-2 lacks"),
    ],
)
def test_wrong_predictions_are_refused(tmp_path: Path, damage: Callable[[Rows], None], message: str) -> None:
    paths = make_experiment(tmp_path)
    path = predictions_path(paths["exp_dir"], 1)
    rows = read_rows(path)
    damage(rows)
    write_jsonl(path, rows.values())
    with pytest.raises(InputError, match=message):
        score(paths)


def test_folds_of_another_protocol_and_missing_predictions_are_refused(tmp_path: Path) -> None:
    paths = make_experiment(tmp_path)
    predictions_path(paths["exp_dir"], 2).unlink()
    with pytest.raises(InputError, match=r"fold_2/seed_0/predictions\.jsonl cannot be read"):
        score(paths)
    assert [row["fold"] for row in score(paths, folds=[1])["folds"]] == [1]
    fold = paths["folds_dir"] / "fold_1.json"
    write_json(fold, read_json(fold) | {"protocol": "other"})
    with pytest.raises(InputError, match="is of protocol other, not two"):
        score(paths)


def test_scoring_imports_neither_torch_nor_lhotse() -> None:
    modules = "{'torch', 'lhotse', 'k2', 'matplotlib'}"
    check = f"import sys, seq.score.score, seq.report.report; print({modules} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

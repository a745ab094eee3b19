"""A committed table of robustness, had again from its answers, without a line of our scoring."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import recall_score


def area_under_risk(confidence: np.ndarray, wrong: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(-confidence, kind="stable")
    given = np.cumsum(weights[order])
    risk = np.cumsum(weights[order] * wrong[order]) / given
    return float(np.average(risk, weights=weights[order]))


def area_over_groups(answers: dict[str, dict[str, Any]], by_group: dict[str, list[str]], refs: np.ndarray) -> float:
    """The same of the answers under all conditions, of which every group counts once."""
    parts = [(answers[name], 1 / len(names)) for names in by_group.values() for name in names]
    confidence = np.concatenate([part["confidence"] for part, _ in parts])
    wrong = np.concatenate([np.array(part["hyp"]) != refs for part, _ in parts])
    return area_under_risk(confidence, wrong, np.repeat([weight for _, weight in parts], len(refs)))


def rescore_robustness(path: Path) -> dict[str, Any]:
    """Compare the scores in the file with its answers, the first seed's where there is but one; returns the scores."""
    kept = json.loads(gzip.decompress(path.read_bytes()))
    scores, refs = kept["scores"], np.array([ref for _, _, ref in kept["utterances"]])
    found: dict[str, float] = {}
    by_group: dict[str, list[str]] = {}
    for block in scores["conditions"]:
        name = block["name"]
        runs = kept["answers"][name]
        found[name] = np.mean([recall_score(refs, run["hyp"], average="macro", zero_division=0.0) for run in runs])
        assert block["tasks"]["emotion"]["UA"] == pytest.approx(found[name]), name
        if name != "clean":
            by_group.setdefault(block["group"], []).append(name)
        for run in runs[:1] if len(runs) == 1 else []:
            wrong, marked = np.array(run["hyp"]) != refs, np.array(run["marked"], dtype=bool)
            for key, part in {"wrong_marked": marked[wrong], "right_marked": marked[~wrong], "marked": marked}.items():
                expected = block["selective"][key]
                assert (expected is None and not len(part)) or expected == pytest.approx(part.mean()), (name, key)
    means = {group: np.mean([found[name] for name in names]) for group, names in by_group.items()}
    assert {name: block["value"] for name, block in scores["groups"].items()} == pytest.approx(means)
    overall = scores["overall"]
    mean = np.mean(list(means.values()))
    assert overall["value"] == pytest.approx(mean) and overall["share"] == pytest.approx(mean / found["clean"])
    runs = [{name: kept["answers"][name][seed] for name in found} for seed in range(len(scores["seeds"]))]
    areas = [area_over_groups(run, by_group, refs) for run in runs]
    # What is kept of a confidence is rounded, and equal ones may stand in another order.
    assert overall["AURC"] == pytest.approx(np.mean(areas), abs=0.01)
    return scores

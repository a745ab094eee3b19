"""When an answer is called uncertain, fitted on valid: under the conditions that it was decoded under, if it was.

A threshold that was fitted on clean speech alone promises nothing in noise or over a telephone. Of all conditions each
group counts once (`seq.data.conditions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from seq.data.conditions import CLEAN, CONDITIONS, Condition, condition_path, groups, made_from
from seq.runtime.doubts import RiskPoint
from seq.score.calibration import apply_temperature, fit_threshold, probabilities
from seq.score.predictions import read_rows
from seq.tasks.predictions import Prediction

# Of the right answers on clean speech, no more than this may be called uncertain.
MAX_RIGHT_MARKED: Final = 0.25
# A risk that rests on fewer answers is chance.
MIN_ANSWERS: Final = 20
NUM_POINTS: Final = 100


@dataclass(frozen=True)
class Judged:
    """(U,) confidences, whether answers are right, and what each counts for."""

    confidence: np.ndarray
    right: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Doubt:
    """A threshold, the answers that it was fitted on, and the names of their conditions; none: clean speech alone."""

    threshold: float
    answers: Judged
    conditions: tuple[str, ...] = ()


def valid_under_conditions(run_dir: Path, weights: str) -> dict[Condition, list[Prediction]] | None:
    """What a run says of its valid part under every condition; None where it was not decoded so with these weights.

    Args:
        weights: SHA-256 of the checkpoint that answers.
    """
    if made_from(run_dir, "valid").get("weights") != weights:
        return None
    paths = {condition: condition_path(run_dir, condition, "valid") for condition in (CLEAN, *CONDITIONS)}
    if not all(path.is_file() for path in paths.values()):
        return None
    return {condition: read_rows(path) for condition, path in paths.items()}


def fit_doubt(
    valid: Sequence[Prediction],
    conditions: dict[Condition, list[Prediction]] | None,
    task: str,
    labels: Sequence[str],
    temperature: float,
) -> Doubt:
    """The threshold below which a category's confidence is called uncertain.

    Under conditions it is the one that separates right from wrong answers best (Youden's J) among those that mark at
    most a quarter of the right answers on clean speech; on clean speech alone, see `fit_threshold`.
    """
    if conditions is None:
        probs, refs = probabilities(valid, task, labels)
        threshold = fit_threshold(apply_temperature(probs, temperature), refs) if len(refs) else 0.0
        return Doubt(threshold, judge(valid, task, labels, temperature))
    sizes = {name: len(members) for name, members in groups().items()}
    parts = [judge(conditions[c], task, labels, temperature, 1 / sizes[c.group]) for c in CONDITIONS]
    answers = Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))
    clean = judge(conditions[CLEAN], task, labels, temperature)
    return Doubt(separate(answers, clean), answers, tuple(condition.name for condition in CONDITIONS))


def judge(
    rows: Sequence[Prediction], task: str, labels: Sequence[str], temperature: float, weight: float = 1.0
) -> Judged:
    """Of the rows that are labelled for a category task."""
    probs, refs = probabilities(rows, task, labels)
    scaled = apply_temperature(probs, temperature) if len(refs) else probs
    right = scaled.argmax(axis=1) == refs
    return Judged(scaled.max(axis=1, initial=0.0), right, np.full(len(refs), weight))


def separate(answers: Judged, clean: Judged) -> float:
    """The threshold of `fit_doubt`; 0, nothing is uncertain, where no answer is wrong or none is right."""
    if answers.right.all() or not answers.right.any():
        return 0.0
    order = np.argsort(answers.confidence, kind="stable")
    candidates = np.unique(np.append(answers.confidence, 0.0))
    below = np.searchsorted(answers.confidence[order], candidates, side="left")

    def marked(chosen: np.ndarray) -> np.ndarray:
        counted = np.cumsum(np.append(0.0, (answers.weight * chosen)[order]))
        return counted[below] / counted[-1]

    gain = marked(~answers.right) - marked(answers.right)
    kept = np.sort(clean.confidence[clean.right])
    cost = np.searchsorted(kept, candidates, side="left") / max(len(kept), 1)
    return float(candidates[np.where(cost <= MAX_RIGHT_MARKED, gain, -np.inf).argmax()])


def risk_curve(answers: Judged) -> list[RiskPoint]:
    """Of at most 100 thresholds, the share of answers that reach it, and the share of wrong ones among them.

    They are the confidences at which another percent of the answers is given, the most confident ones first.
    """
    order = np.argsort(-answers.confidence, kind="stable")
    confidence, weight = answers.confidence[order], answers.weight[order]
    given = np.cumsum(weight)
    wrong = np.cumsum(weight * ~answers.right[order])
    # Answers of the same confidence are given together.
    ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)) if len(order) else np.zeros(0, np.int64)
    points: dict[int, RiskPoint] = {}
    for i in ends[ends >= MIN_ANSWERS - 1]:
        coverage = float(given[i] / given[-1])
        points[int(coverage * NUM_POINTS + 1e-9)] = {
            "threshold": float(confidence[i]), "coverage": coverage, "risk": float(wrong[i] / given[i])
        }  # fmt: skip
    return list(points.values())

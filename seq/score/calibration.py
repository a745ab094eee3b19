"""Probabilities that mean what they say: temperature scaling (Guo et al. 2017), and when to say "uncertain".

Both are fitted on the valid part and measured on test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from seq.tasks.predictions import CategoryPrediction, Prediction

NUM_BINS = 15
# Temperatures are searched between these; valid parts are small.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.2, 10.0


class Effect(TypedDict):
    """What temperature and threshold do on a part: calibration errors, the share called uncertain, accuracies."""

    num_utterances: int
    ece_before: float
    ece_after: float
    uncertain: float
    accuracy: float
    # Of the answers that are not called uncertain; None where all are.
    accuracy_certain: float | None


class _Fitted(TypedDict):
    temperature: float
    threshold: float


class Calibration(_Fitted, total=False):
    """What was fitted on valid; a part without labels is absent."""

    valid: Effect
    test: Effect


def has_probabilities(rows: Sequence[Prediction], task: str) -> bool:
    """Whether there are rows and each has the probabilities of a category task; another system's may have none."""
    answers = [row.tasks.get(task) for row in rows]
    return bool(answers) and all(isinstance(a, CategoryPrediction) and a.probs for a in answers)


def probabilities(rows: Sequence[Prediction], task: str, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) probabilities and (N,) reference classes of the rows that are labelled for a category task."""
    answers = [row.tasks.get(task) for row in rows]
    labelled = [a for a in answers if isinstance(a, CategoryPrediction) and a.probs and a.ref in labels]
    probs = np.array([[a.probs[label] for label in labels] for a in labelled if a.probs]).reshape(-1, len(labels))
    return probs, np.array([labels.index(str(a.ref)) for a in labelled], dtype=np.int64)


def apply_temperature(probs: np.ndarray, temperature: float) -> np.ndarray:
    """(N, C) probabilities whose logits are divided by the temperature."""
    logits = np.log(np.maximum(probs, 1e-12)) / temperature
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)


def fit_temperature(probs: np.ndarray, refs: np.ndarray) -> float:
    """The temperature with the highest likelihood of the references; 1 where there is nothing to fit on."""
    from scipy.optimize import minimize_scalar

    if not len(refs):
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = apply_temperature(probs, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(scaled[np.arange(len(refs)), refs], 1e-12)).mean())

    bounds = (np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def calibration_error(probs: np.ndarray, refs: np.ndarray) -> float:
    """Expected calibration error: |accuracy - confidence| in 15 equal bins of confidence, weighted by their size."""
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == refs
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))


def fit_threshold(probs: np.ndarray, refs: np.ndarray) -> float:
    """The confidence below which an answer is called uncertain.

    It is the one that separates right from wrong answers best: the share of right answers at or above it minus that of
    wrong answers is largest (Youden's J). 0, nothing is uncertain, where no answer is wrong or none is right.
    """
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == refs
    if right.all() or not right.any():
        return 0.0
    candidates = np.unique(confidence)
    above = confidence[None, :] >= candidates[:, None]
    scores = above[:, right].mean(axis=1) - above[:, ~right].mean(axis=1)
    return float(candidates[scores.argmax()])


def calibrate(
    valid: Sequence[Prediction],
    test: Sequence[Prediction],
    task: str,
    labels: Sequence[str],
    threshold: float | None = None,
) -> Calibration:
    """Temperature and threshold of a category task, fitted on `valid`, and what they do on both parts.

    Args:
        threshold: if it was fitted elsewhere (`seq.score.doubt`).
    """
    probs, refs = probabilities(valid, task, labels)
    temperature = fit_temperature(probs, refs)
    if threshold is None:
        threshold = fit_threshold(apply_temperature(probs, temperature), refs) if len(refs) else 0.0
    result: Calibration = {"temperature": temperature, "threshold": threshold}
    if len(refs):
        result["valid"] = _effect(probs, refs, temperature, threshold)
    probs, refs = probabilities(test, task, labels)
    if len(refs):
        result["test"] = _effect(probs, refs, temperature, threshold)
    return result


def _effect(probs: np.ndarray, refs: np.ndarray, temperature: float, threshold: float) -> Effect:
    scaled = apply_temperature(probs, temperature)
    certain = scaled.max(axis=1) >= threshold
    right = scaled.argmax(axis=1) == refs
    return {
        "num_utterances": len(refs),
        "ece_before": calibration_error(probs, refs),
        "ece_after": calibration_error(scaled, refs),
        "uncertain": float(1 - certain.mean()),
        "accuracy": float(right.mean()),
        "accuracy_certain": float(right[certain].mean()) if certain.any() else None,
    }

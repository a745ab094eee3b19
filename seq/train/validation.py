"""Scores of the valid part during training: quick, and the same definitions as stage 7's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seq.models.model import GENDERS, ModelSpec
from seq.tasks.metrics import Accuracy, Classification, Intensity, PhoneErrors

Row = dict[str, Any]


def valid_scores(rows: list[Row], spec: ModelSpec) -> dict[str, float]:
    """Scores of rows of predictions: `UA`, `WA`, `loss` (cross entropy of emotion), `intensity_UA`, `gender`, `PER`.

    A task that was not trained, or that no row is labelled for, is absent.
    """
    scores: dict[str, float] = {}

    def labelled(task: str) -> list[Row]:
        return [row for row in rows if task in row and row[task]["ref"] is not None]

    if part := labelled("emotion"):
        refs, hyps = [r["emotion"]["ref"] for r in part], [r["emotion"]["hyp"] for r in part]
        values = _values(Classification(refs, hyps, [r["speaker"] for r in part], spec.emotions))
        scores |= {"UA": values["UA"], "WA": values["WA"]}
        likelihoods = [r["emotion"]["probs"][r["emotion"]["ref"]] for r in part]
        scores["loss"] = -float(np.mean(np.log(np.maximum(likelihoods, 1e-12))))
    if part := labelled("intensity"):
        refs, hyps = [r["intensity"]["ref"] for r in part], [r["intensity"]["hyp"] for r in part]
        measured = [r["intensity"]["value"] for r in part]
        statistic = Intensity(refs, hyps, measured, [r["speaker"] for r in part], spec.anchors)
        scores["intensity_UA"] = _values(statistic)["UA"]
    if part := labelled("gender"):
        refs, hyps = [r["gender"]["ref"] for r in part], [r["gender"]["hyp"] for r in part]
        scores["gender"] = _values(Accuracy(refs, hyps, [r["speaker"] for r in part], GENDERS))["accuracy"]
    if part := labelled("phone"):
        refs, hyps = [r["phone"]["ref"] for r in part], [r["phone"]["hyp"] for r in part]
        scores["PER"] = _values(PhoneErrors(refs, hyps, [r["speaker"] for r in part]))["PER"]
    return scores


def _values(statistic: Any) -> dict[str, float]:
    return {name: float(value[0]) for name, value in statistic.values(np.ones((1, len(statistic.speakers)))).items()}


def selection_score(scores: dict[str, float], select_by: str) -> tuple[float, float]:
    """What the best epoch has most of: by `loss` or `UA` of emotion, the other decides ties.

    Without the emotion task it is the UA of intensity, the accuracy of gender, or the fewest phone errors.
    """
    if "UA" in scores:
        by_loss, by_recall = -scores["loss"], scores["UA"]
        return (by_loss, by_recall) if select_by == "loss" else (by_recall, by_loss)
    for name in ("intensity_UA", "gender"):
        if name in scores:
            return scores[name], 0.0
    return -scores.get("PER", math.inf), 0.0

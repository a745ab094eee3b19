"""Scores of the valid part during training: quick, and the same definitions as stage 7's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from seq.tasks.base import Outputs
from seq.tasks.predictions import CategoryPrediction, Prediction
from seq.tasks.registry import in_order

# By task, its metrics and, of a category whose classes matter, `loss`: the cross entropy.
ValidScores = dict[str, dict[str, float]]


def valid_scores(rows: Sequence[Prediction], outputs: Mapping[str, Outputs]) -> ValidScores:
    """Scores of predictions; a task that was not trained, or that no utterance is labelled for, is absent."""
    scores: ValidScores = {}
    for task in in_order(outputs):
        part = [row for row in rows if task.name in row.tasks and row.tasks[task.name].ref is not None]
        if not part:
            continue
        answers = [row.tasks[task.name] for row in part]
        statistic = task.statistic(answers, [row.speaker for row in part], outputs[task.name])
        values = statistic.values(np.ones((1, len(statistic.speakers))))
        scores[task.name] = {name: float(value[0]) for name, value in values.items()}
        likelihoods = [a.probs[str(a.ref)] for a in answers if isinstance(a, CategoryPrediction) and a.probs]
        if likelihoods and task.by_class:
            scores[task.name]["loss"] = -float(np.mean(np.log(np.maximum(likelihoods, 1e-12))))
    return scores


def selection_score(scores: ValidScores, select_by: str) -> tuple[float, float]:
    """What the best epoch has most of, by the first task that is scored: its `loss` or its main metric.

    The other one decides ties; a task without a loss has its main metric alone.
    """
    for task in in_order(scores):
        found = scores[task.name]
        main = -found[task.main.metric] if task.main.less_is_better else found[task.main.metric]
        if "loss" not in found:
            return main, 0.0
        return (-found["loss"], main) if select_by == "loss" else (main, -found["loss"])
    return -math.inf, 0.0

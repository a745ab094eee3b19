"""Scores of the valid part: scikit-learn's and scipy's, and the order in which epochs are preferred."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score

from seq.tasks.base import Outputs
from seq.tasks.predictions import CategoryPrediction, Prediction, ScalePrediction, SequencePrediction
from seq.train.validation import selection_score, valid_scores

LABELS = ("neutral", "happy", "sad")
OUTPUTS = {
    "emotion": Outputs("category", LABELS),
    "intensity": Outputs("scale", levels=(0.0, 1 / 3, 1.0)),
    "gender": Outputs("category", ("F", "M")),
    "phone": Outputs("sequence", ("<blk>", "A", "B")),
}


def test_a_category_is_scored_as_by_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(3), size=60)
    refs = [LABELS[i] for i in rng.choice(3, size=60, p=[0.6, 0.3, 0.1])]
    hyps = [LABELS[i] for i in probs.argmax(1)]
    answers = [
        CategoryPrediction(ref, hyp, dict(zip(LABELS, p.tolist(), strict=True)))
        for ref, hyp, p in zip(refs, hyps, probs, strict=True)
    ]
    rows = [Prediction(f"{i}", f"s{i % 4}", {"emotion": answer}) for i, answer in enumerate(answers)]
    unlabelled = Prediction("60", "s0", {"emotion": CategoryPrediction(None, "sad", dict.fromkeys(LABELS, 1 / 3))})
    found = valid_scores([*rows, unlabelled], OUTPUTS)
    assert found.keys() == {"emotion"}
    assert found["emotion"] == pytest.approx({
        "UA": recall_score(refs, hyps, average="macro"),
        "WA": accuracy_score(refs, hyps),
        "macro_f1": f1_score(refs, hyps, average="macro"),
        "loss": log_loss(refs, probs[:, np.argsort(LABELS)], labels=sorted(LABELS)),
    })  # fmt: skip


def test_every_kind_has_its_own_metrics() -> None:
    values = [(0.0, 0.1), (1 / 3, 0.5), (1.0, 0.9), (1.0, 0.2)]
    scales = [ScalePrediction(ref, min(OUTPUTS["intensity"].levels, key=lambda x: abs(x - v)), v) for ref, v in values]
    phones = [SequencePrediction(["A", "B"], hyp) for hyp in (["A", "B"], ["A"], ["B", "B"], [])]
    rows = [
        Prediction(str(i), "s", {"gender": CategoryPrediction("F", "FM"[i == 3]), "intensity": scale, "phone": phone})
        for i, (scale, phone) in enumerate(zip(scales, phones, strict=True))
    ]
    found = valid_scores(rows, OUTPUTS)
    assert list(found) == ["intensity", "gender", "phone"]
    # Without probabilities there is no loss.
    assert found["gender"] == {"accuracy": 0.75} and found["phone"]["PER"] == pytest.approx(4 / 8)
    assert found["intensity"]["UA"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert found["intensity"]["MAE"] == pytest.approx(np.mean([0.1, 0.5 - 1 / 3, 0.1, 0.8]))
    assert found["intensity"]["spearman"] == pytest.approx(spearmanr(*zip(*values, strict=True)).statistic)


def test_the_best_epoch_is_that_of_the_first_task() -> None:
    good, better = {"UA": 0.5, "loss": 1.0}, {"UA": 0.6, "loss": 1.2}
    poor = {"accuracy": 0.1, "loss": 9.0}
    assert selection_score({"gender": poor, "emotion": good}, "loss") == (-1.0, 0.5)
    assert selection_score({"gender": poor, "emotion": good}, "UA") == (0.5, -1.0)
    assert selection_score({"emotion": good}, "loss") > selection_score({"emotion": better}, "loss")
    assert selection_score({"emotion": good}, "UA") < selection_score({"emotion": better}, "UA")
    # The other one decides ties.
    assert selection_score({"emotion": {**good, "UA": 0.6}}, "loss") > selection_score({"emotion": good}, "loss")
    assert selection_score({"emotion": {**good, "loss": 0.9}}, "UA") > selection_score({"emotion": good}, "UA")
    # Tasks without a loss, and one of which less is better.
    assert selection_score({"intensity": {"UA": 0.4, "MAE": 0.1}, "gender": poor}, "loss") == (0.4, 0.0)
    assert selection_score({"phone": {"PER": 0.2}}, "UA") > selection_score({"phone": {"PER": 0.3}}, "UA")
    assert selection_score({}, "loss") == (-math.inf, 0.0)

"""Risk and coverage, and what is marked, against loops that spell them out."""

from __future__ import annotations

import numpy as np
import pytest

from seq.score.intervals import intervals
from seq.score.selective import Selective, aurc


def area(confidence: np.ndarray, right: np.ndarray) -> float:
    order = sorted(range(len(right)), key=lambda i: -confidence[i])
    risks = [sum(not right[i] for i in order[:k]) / k for k in range(1, len(order) + 1)]
    return sum(risks) / len(risks)


def test_area_of_known_orders() -> None:
    right = np.array([True, True, False, False])
    assert aurc(np.array([0.9, 0.8, 0.7, 0.6]), right) == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert aurc(np.array([0.6, 0.7, 0.8, 0.9]), right) == pytest.approx((1 + 1 + 2 / 3 + 1 / 2) / 4)
    assert aurc(np.array([0.9, 0.8]), np.array([True, True])) == 0.0


def test_any_weights_of_speakers_are_copies_of_their_answers() -> None:
    rng = np.random.default_rng(0)
    speakers = [f"s{i % 5}" for i in range(60)]
    right, marked, unchanged = rng.random((3, 60)) < [[0.6], [0.3], [0.7]]
    confidence = rng.random(60)
    found = Selective(speakers, right, confidence, marked, unchanged)
    weights = np.array([[1, 1, 1, 1, 1], [2, 0, 1, 0, 2], [0, 0, 3, 1, 1]])
    values = found.values(weights.astype(float))
    for i, drawn in enumerate(weights):
        # Copies of an answer have its confidence: which comes first makes no difference where all are alike.
        chosen = np.repeat(np.arange(60), [drawn[int(name[1])] for name in speakers])
        assert values["unchanged"][i] == pytest.approx(unchanged[chosen].mean())
        assert values["marked"][i] == pytest.approx(marked[chosen].mean())
        assert values["wrong_marked"][i] == pytest.approx(marked[chosen][~right[chosen]].mean())
        assert values["right_marked"][i] == pytest.approx(marked[chosen][right[chosen]].mean())
        assert values["AURC"][i] == pytest.approx(area(confidence[chosen], right[chosen]), abs=0.02)
    assert values["AURC"][0] == pytest.approx(area(confidence, right))
    low, high = intervals([found])["wrong_marked"] or (1, 0)
    assert 0 <= low < values["wrong_marked"][0] < high <= 1
    # Twice as many of everything is the same.
    twice = Selective(
        speakers * 2, np.tile(right, 2), np.tile(confidence, 2), np.tile(marked, 2), np.tile(unchanged, 2)
    )
    counted = Selective(speakers, right, confidence, marked, unchanged, np.full(60, 2.0))
    for name, value in counted.values(np.ones((1, 5))).items():
        assert value[0] == pytest.approx(values[name][0])
        assert twice.values(np.ones((1, 5)))[name][0] == pytest.approx(values[name][0], abs=0.02)

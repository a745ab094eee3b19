"""The threshold of doubt and the curve of risk over coverage, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from seq.errors import InputError
from seq.runtime.doubts import FittedOn, threshold_for
from seq.score.doubt import MAX_RIGHT_MARKED, Judged, risk_curve, separate


def draw(seed: int, number: int = 400, weighted: bool = True) -> Judged:
    """Answers that are the likelier right the more confident they are; confidences come several times."""
    rng = np.random.default_rng(seed)
    confidence = np.round(rng.uniform(0.2, 1.0, number), 2)
    weight = rng.choice([0.25, 1 / 3, 1.0], number) if weighted else np.ones(number)
    return Judged(confidence, rng.random(number) < confidence, weight)


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_best_of_those_that_spare_clean_speech(seed: int) -> None:
    answers, other = draw(seed), draw(seed + 100, weighted=False)
    clean = Judged(np.round(0.6 * other.confidence, 2), other.right, other.weight)

    def marked(of: Judged, right: bool, threshold: float) -> float:
        chosen = of.right == right
        return float((of.weight * chosen * (of.confidence < threshold)).sum() / (of.weight * chosen).sum())

    candidates = [0.0, *np.unique(answers.confidence)]
    allowed = [t for t in candidates if marked(clean, True, t) <= MAX_RIGHT_MARKED]
    gains = [marked(answers, False, t) - marked(answers, True, t) for t in allowed]
    found = separate(answers, clean)
    assert marked(clean, True, found) <= MAX_RIGHT_MARKED
    assert marked(answers, False, found) - marked(answers, True, found) == pytest.approx(max(gains))
    # Without clean speech more would be marked.
    assert found < separate(answers, Judged(np.ones(1), np.ones(1, bool), np.ones(1)))
    everything_right = Judged(answers.confidence, np.ones(400, bool), answers.weight)
    assert separate(everything_right, clean) == 0.0


def test_the_curve_says_what_thresholds_do() -> None:
    answers = draw(7)
    curve = risk_curve(answers)
    assert 50 < len(curve) <= 101 and curve[-1]["coverage"] == 1.0
    assert [p["coverage"] for p in curve] == sorted(p["coverage"] for p in curve)
    for point in curve:
        given = answers.confidence >= point["threshold"]
        weight = answers.weight * given
        assert given.sum() >= 20
        assert point["coverage"] == pytest.approx(weight.sum() / answers.weight.sum())
        assert point["risk"] == pytest.approx((weight * ~answers.right).sum() / weight.sum())
    assert risk_curve(Judged(np.zeros(0), np.zeros(0, bool), np.zeros(0))) == []


def test_a_risk_chooses_the_threshold_with_most_answers() -> None:
    points = ((0.9, 0.1, 0.05), (0.7, 0.5, 0.2), (0.6, 0.6, 0.25), (0.5, 0.8, 0.2), (0.2, 1.0, 0.4))
    curve = [{"threshold": t, "coverage": c, "risk": r} for t, c, r in points]
    fitted_on: FittedOn = {"conditions": [], "num_answers": 100, "curve": curve}  # type: ignore[typeddict-item]
    assert [threshold_for(risk, fitted_on) for risk in (0.05, 0.2, 0.39, 1.0)] == [0.9, 0.5, 0.5, 0.2]
    with pytest.raises(InputError, match=r"--risk 0.01 cannot be reached: the least is 0.050, with 10% of the answers"):
        threshold_for(0.01, fitted_on)
    for nothing in (None, {**fitted_on, "curve": []}):
        with pytest.raises(InputError, match="export it again"):
            threshold_for(0.2, nothing)  # type: ignore[arg-type]

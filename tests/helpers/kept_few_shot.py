"""The rows of a few-shot study again, from its raw answers, by scikit-learn, without a line of our scoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score


def rescore_few_shot(result: dict[str, Any]) -> int:
    """Compare the rows of a few_shot.json with its answers; returns how many there are."""
    refs = [label for one in result["speakers"] for label in one["refs"]]
    for row in result["rows"]:
        found = [one["answers"][row["method"]][str(row["k"])] for one in result["speakers"]]
        draws = [[label for one in found for label in one[draw]] for draw in range(row["num_draws"])]
        assert row["num_draws"] == (result["num_draws"] if row["k"] else 1)
        assert row["UA"] == pytest.approx(np.mean([recall_score(refs, hyps, average="macro") for hyps in draws]))
        assert row["WA"] == pytest.approx(np.mean([accuracy_score(refs, hyps) for hyps in draws]))
    return len(result["rows"])

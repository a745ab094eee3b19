"""Answers that are marked as uncertain: what is caught by it, what it costs, and what is left for a perfect order.

A model that may stay silent is judged by its risk, the share of wrong ones among the answers that it gives, at every
coverage, the share that it gives: the most confident ones first. AURC is the area under that curve (Geifman et al.
2019), 0 for a model without errors; without any order it is the share of wrong answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from seq.tasks.statistics import Statistic, divide, index_in


def aurc(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Area under the risk-coverage curve of (U,) confidences and (U,) whether answers are right.

    Args:
        weights: (U,) what each counts for; all alike if None.
    """
    order = np.argsort(-confidence, kind="stable")
    return float(_area(~right[order], (np.ones(len(right)) if weights is None else weights)[order][None])[0])


def _area(wrong: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(U,) errors, the most confident answer first, and weights (D, U) -> (D,)."""
    risk = divide(np.cumsum(weights * wrong, axis=1), np.cumsum(weights, axis=1))
    return divide((weights * np.nan_to_num(risk)).sum(1), weights.sum(1))


class Selective(Statistic):
    """How answers change, how many are marked, and how much of what is wrong is among them.

    unchanged: share of answers that are what they are on clean speech; marked: share marked as uncertain; wrong_marked
    and right_marked: the same of the wrong and of the right answers.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {
        name: (0.0, 1.0) for name in ("unchanged", "marked", "wrong_marked", "right_marked", "AURC")
    }
    # Draws at a time: a matrix of this many rows has a number for every utterance.
    BATCH: ClassVar[int] = 64

    def __init__(
        self,
        speakers: Sequence[str],
        right: np.ndarray,
        confidence: np.ndarray,
        marked: np.ndarray,
        unchanged: np.ndarray,
        counts: np.ndarray | None = None,
    ) -> None:
        """All are (U,): bools, confidences, and what an utterance counts for (None: all alike)."""
        self.speakers = sorted(set(speakers))
        self._counts = np.ones(len(right)) if counts is None else counts
        order = np.argsort(-confidence, kind="stable")
        self._owner, self._order = index_in(speakers, self.speakers), order
        self._wrong = ~right
        self._shares = {"unchanged": (unchanged, np.ones_like(right)), "marked": (marked, np.ones_like(right)),
                        "wrong_marked": (marked & ~right, ~right), "right_marked": (marked & right, right)}  # fmt: skip

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to the metrics, each (D,)."""

        def total(chosen: np.ndarray) -> np.ndarray:
            return weights @ np.bincount(self._owner, self._counts * chosen, len(self.speakers))

        found = {name: divide(total(part), total(whole)) for name, (part, whole) in self._shares.items()}
        areas = []
        for start in range(0, len(weights), self.BATCH):
            own = weights[start : start + self.BATCH][:, self._owner[self._order]] * self._counts[self._order]
            areas.append(_area(self._wrong[self._order], own))
        return {**found, "AURC": np.concatenate(areas)}

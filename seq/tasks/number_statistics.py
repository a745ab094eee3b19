"""The metrics of answers that are numbers: a level on a scale, or a value. See `seq.tasks.statistics` for the idea.

D is the number of draws, S of speakers, U of utterances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from seq.tasks.statistics import Classification, Statistic, divide, index_in

# Spearman needs (draws, utterances) arrays; this bounds each to about 16 MiB.
MAX_ELEMENTS = 2_000_000


def nearest_levels(values: Sequence[float], levels: Sequence[float]) -> list[str]:
    """The name (see `level_names`) of the level nearest to each value; the lower one of two equally near."""
    names = level_names(levels)
    distance = np.abs(np.asarray(values, dtype=float).reshape(-1, 1) - np.asarray(levels))
    return [names[i] for i in distance.argmin(1)]


def level_names(levels: Sequence[float]) -> list[str]:
    """Levels as the keys of a table, three decimals: 2/3 is "0.667"."""
    return [f"{level:.3f}" for level in levels]


class Scale(Classification):
    """A place on [0, 1]: UA over the corpus's levels; mean absolute error and Spearman's rho of the real value.

    A reference between two levels counts for the nearer one in UA, and as it is in the other two.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"UA": (0.0, 1.0), "MAE": (0.0, 1.0), "spearman": (-1.0, 1.0)}

    def __init__(
        self,
        refs: Sequence[float],
        hyps: Sequence[float],
        values: Sequence[float],
        speakers: Sequence[str],
        levels: Sequence[float],
    ) -> None:
        """`refs`, `hyps` (the predicted levels) and `values` (the predicted real values) are (U,); `levels` ascend."""
        super().__init__(nearest_levels(refs, levels), nearest_levels(hyps, levels), speakers, level_names(levels))
        self.owner = index_in(speakers, self.speakers)
        self.refs, self.real = np.asarray(refs, dtype=float), np.asarray(values, dtype=float)
        self.errors = np.bincount(self.owner, np.abs(self.refs - self.real), len(self.speakers))
        self.counts = np.bincount(self.owner, minlength=len(self.speakers))

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to UA, MAE and spearman, each (D,)."""
        step = max(1, MAX_ELEMENTS // max(len(self.refs), 1))
        spearman = [
            weighted_spearman(self.refs, self.real, weights[start : start + step][:, self.owner])
            for start in range(0, len(weights), step)
        ]
        return {
            "UA": super().values(weights)["UA"],
            "MAE": divide(weights @ self.errors, weights @ self.counts),
            "spearman": np.concatenate(spearman),
        }


def _weighted_ranks(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mid-ranks (D, U), up to a constant, of x (U,) where utterance u occurs weights[d, u] times."""
    order = np.argsort(x, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(x[order]) > 0])
    mass = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(mass, axis=1) - mass / 2
    group = np.searchsorted(x[order][starts], x)
    return ranks[:, group]


def weighted_spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's rho (D,) of x and y (U,), ties at their mid-rank, with utterance weights (D, U); NaN if constant."""
    if not len(x):
        return np.full(len(weights), np.nan)
    total = weights.sum(1, keepdims=True)
    centred = []
    for ranks in (_weighted_ranks(x, weights), _weighted_ranks(y, weights)):
        centred.append(ranks - divide((weights * ranks).sum(1, keepdims=True), total))
    a, b = centred
    covariance = (weights * a * b).sum(1)
    scale = np.sqrt((weights * a * a).sum(1) * (weights * b * b).sum(1))
    return np.clip(divide(covariance, scale), -1.0, 1.0)


class Concordance(Statistic):
    """Lin's concordance correlation coefficient (1989) of numbers, and their mean absolute error.

    CCC = 2 cov(x, y) / (var x + var y + (mean x - mean y)^2): 1 where all answers are right, 0 without relation; less
    where they are on another scale or shifted.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"CCC": (-1.0, 1.0), "MAE": (0.0, np.inf)}

    def __init__(self, refs: Sequence[float], hyps: Sequence[float], speakers: Sequence[str]) -> None:
        """`refs` and `hyps` are (U,), in the same unit."""
        self.speakers = sorted(set(speakers))
        x, y = np.asarray(refs, dtype=float), np.asarray(hyps, dtype=float)
        # About one point, so that the squares of a large offset do not eat the digits.
        middle = x.mean()
        x, y = x - middle, y - middle
        terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, np.abs(x - y)], axis=1)
        self.per_speaker = np.zeros((len(self.speakers), terms.shape[1]))
        np.add.at(self.per_speaker, index_in(speakers, self.speakers), terms)

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to CCC and MAE, each (D,)."""
        total, x, y, xx, yy, xy, errors = (weights @ self.per_speaker).T
        x, y, xx, yy, xy = (divide(part, total) for part in (x, y, xx, yy, xy))
        # Both constant and equal leaves rounding; that is no concordance.
        spread = xx - x * x + yy - y * y + np.square(x - y)
        concordance = divide(2 * (xy - x * y), np.where(spread > 1e-12, spread, 0.0))
        return {"CCC": concordance, "MAE": divide(errors, total)}

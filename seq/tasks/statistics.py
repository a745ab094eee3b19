"""The metrics of tasks, as functions of how much weight each speaker has.

Every class below keeps what a metric needs per speaker (a confusion matrix, a sum of errors), so that
`values(weights)` evaluates thousands of reweighted speaker samples at once: all ones gives the metric itself,
multinomial counts a bootstrap draw, and ones with a single zero a leave-one-speaker-out sample. `seq.score.intervals`
turns these into intervals.

In all shapes D is the number of draws, S of speakers, K of classes, U of utterances. Utterances without a
reference label are left out by the caller, per task.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import kaldialign
import numpy as np


class Statistic(ABC):
    """What `seq.score` needs of a task: its metrics for any weights of the speakers, and what tables show beside."""

    # Every metric, and the range in which it lies.
    bounds: ClassVar[dict[str, tuple[float, float]]]
    # Sorted; weights have their order.
    speakers: list[str]

    @abstractmethod
    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to the metrics named in `bounds`, each (D,); NaN where undefined."""

    def details(self, runs: Sequence[Any]) -> dict[str, Any]:
        """What scores.json keeps beside the metrics, of runs (seeds) of this statistic: counts are summed."""
        del runs
        return {}


def finite(value: float) -> float | None:
    """The value itself; None, since JSON has no NaN, where it is undefined."""
    return float(value) if np.isfinite(value) else None


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, NaN where the denominator is 0."""
    result = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    return np.divide(numerator, denominator, out=result, where=denominator != 0)


def _nanmean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    return divide(np.where(known, values, 0.0).sum(-1), known.sum(-1))


def index_in(items: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """The place (U,) of each item among the names; KeyError for one that is not there."""
    lookup = {name: i for i, name in enumerate(names)}
    return np.array([lookup[item] for item in items], dtype=np.intp)


class Classification(Statistic):
    """UA, WA and macro-F1 of a classification.

    WA is accuracy. UA is the mean recall over the classes that occur in the reference. Macro-F1 is the mean
    over the classes that occur in reference or hypothesis (scikit-learn's default).
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"UA": (0.0, 1.0), "WA": (0.0, 1.0), "macro_f1": (0.0, 1.0)}

    def __init__(
        self, refs: Sequence[str], hyps: Sequence[str], speakers: Sequence[str], labels: Sequence[str]
    ) -> None:
        """Raises KeyError for a label that is not in `labels`."""
        self.speakers = names = sorted(set(speakers))
        self.labels = list(labels)
        size = len(self.labels)
        cell = np.ravel_multi_index(
            (index_in(speakers, names), index_in(refs, labels), index_in(hyps, labels)),
            (max(len(names), 1), size, size),
        )
        counts = np.bincount(cell, minlength=len(names) * size * size)
        self.per_speaker = counts.reshape(len(names), size, size)

    @property
    def confusion(self) -> np.ndarray:
        """Counts (K, K), rows reference, columns hypothesis."""
        return self.per_speaker.sum(0)

    def recall(self) -> np.ndarray:
        """Recall per class (K,); NaN for a class that the reference lacks."""
        return divide(np.diagonal(self.confusion), self.confusion.sum(1))

    def details(self, runs: Sequence[Classification]) -> dict[str, Any]:
        recall = np.mean([run.recall() for run in runs], axis=0)
        counts = np.sum([run.confusion for run in runs], axis=0)
        return {
            "recall": {label: finite(value) for label, value in zip(self.labels, recall, strict=True)},
            "confusion": {"labels": self.labels, "counts": counts.tolist()},
        }

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to UA, WA and macro_f1, each (D,)."""
        size = len(self.labels)
        matrices = (weights @ self.per_speaker.reshape(len(self.speakers), -1)).reshape(len(weights), size, size)
        correct = np.diagonal(matrices, axis1=1, axis2=2)
        in_ref, in_hyp = matrices.sum(2), matrices.sum(1)
        return {
            "UA": _nanmean(divide(correct, in_ref)),
            "WA": divide(correct.sum(1), in_ref.sum(1)),
            "macro_f1": _nanmean(divide(2 * correct, in_ref + in_hyp)),
        }


class Distribution(Classification):
    """A classification whose annotators did not agree: also the divergence of the probabilities from their votes.

    JSD is the mean Jensen-Shannon divergence (Lin 1991), in bits, over the utterances that have both.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {**Classification.bounds, "JSD": (0.0, 1.0)}

    def __init__(
        self,
        refs: Sequence[str],
        hyps: Sequence[str],
        speakers: Sequence[str],
        labels: Sequence[str],
        shares: Sequence[tuple[Sequence[float], Sequence[float]] | None],
    ) -> None:
        """`shares` are, for each utterance, (K,) those of the annotators and (K,) the probabilities."""
        super().__init__(refs, hyps, speakers, labels)
        owner = index_in(speakers, self.speakers)
        known = [i for i, pair in enumerate(shares) if pair is not None]
        pairs = np.array([shares[i] for i in known], dtype=float)
        divergence = entropy(pairs.mean(axis=1)) - entropy(pairs).mean(axis=1)
        size = len(self.speakers)
        self.divergence = np.bincount(owner[known], divergence, size)
        self.num_voted = np.bincount(owner[known], minlength=size)

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to UA, WA, macro_f1 and JSD, each (D,)."""
        return {**super().values(weights), "JSD": divide(weights @ self.divergence, weights @ self.num_voted)}


def entropy(shares: np.ndarray) -> np.ndarray:
    """Entropy in bits (...) of distributions (..., K)."""
    return -(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(axis=-1)


class Accuracy(Classification):
    """Accuracy alone, for a task of two classes (gender)."""

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"accuracy": (0.0, 1.0)}

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to accuracy (D,)."""
        return {"accuracy": super().values(weights)["WA"]}


class SymbolErrors(Statistic):
    """Phone error rate: substitutions + insertions + deletions of the best alignments, over the reference phones."""

    bounds: ClassVar[dict[str, tuple[float, float]]] = {"PER": (0.0, np.inf)}

    def __init__(self, refs: Sequence[Sequence[str]], hyps: Sequence[Sequence[str]], speakers: Sequence[str]) -> None:
        self.speakers = names = sorted(set(speakers))
        # Columns: substitutions, insertions, deletions, reference phones.
        self.per_speaker = np.zeros((len(names), 4), dtype=np.int64)
        for owner, ref, hyp in zip(index_in(speakers, names), refs, hyps, strict=True):
            edits = kaldialign.edit_distance(list(ref), list(hyp))
            self.per_speaker[owner] += (edits["sub"], edits["ins"], edits["del"], len(ref))

    def details(self, runs: Sequence[SymbolErrors]) -> dict[str, Any]:
        names = ("substitutions", "insertions", "deletions", "reference_phones")
        return dict(zip(names, sum(run.per_speaker.sum(0) for run in runs).tolist(), strict=True))

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to PER (D,)."""
        totals = weights @ self.per_speaker
        return {"PER": divide(totals[:, :3].sum(1), totals[:, 3])}

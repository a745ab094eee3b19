"""What a speaker's own recordings change: the vector that the heads read, and the scores of classes. Numpy alone.

Clips without labels: a speaker's mean m and deviation s, a dimension at a time, are mapped onto the training speakers'
mean and deviation within a speaker, M and S: e' = M + S / s (e - m). Few clips say little, so both are shrunk:

    m = (k mean + a M) / (k + a)        s^2 = ((k - 1) deviation^2 + b S^2) / (k - 1 + b)

Clips with labels are clips, too; besides, a class's prototype p is the mean of its n clips there, shrunk to the class's
mean q in training, p' = (n p + c q) / (n + c), all in units of S around M. The class's score grows by what p' makes the
vector likelier than q does, under a Gaussian: w / D (log N(e'; p') - log N(e'; q)). Without its clips it grows by 0.

a, b, c and w are `Strengths`: chosen on valid speakers when the model is exported (`seq.export.speakers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from seq.utils.typed_values import Finite, NonNegativeFloat, PositiveFloat, PositiveInt


@dataclass(frozen=True)
class Strengths:
    """How much is believed of few clips; None believes nothing of any number of them."""

    # Of the mean and of the deviation: as how many clips the training speakers' count.
    mean: PositiveFloat | None = None
    deviation: PositiveFloat | None = None
    # Of a prototype: as how many clips the class's mean in training counts.
    prototype: PositiveFloat = 1.0
    # As how many independent numbers the vector counts, where prototypes are believed; 0 leaves them out.
    weight: NonNegativeFloat = 0.0


class Speakers(TypedDict):
    """What model.json says of them (`seq.export.speakers`)."""

    num_speakers: PositiveInt
    num_utterances: PositiveInt
    # (D,) each: the mean, and the deviation within a speaker; the means of the main category's classes.
    mean: list[Finite]
    deviation: list[PositiveFloat]
    classes: dict[str, list[Finite]]
    strengths: Strengths


@dataclass(frozen=True)
class TrainingSpeakers:
    """What the vectors of training speakers are like: (D,) `mean` and `deviation` within a speaker, means by class."""

    mean: np.ndarray
    deviation: np.ndarray
    # By class of the main category, in the order of its numbers.
    classes: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Clips:
    """What was heard of a speaker: of `number` clips the (D,) mean and deviation, and by class number and mean."""

    number: int
    mean: np.ndarray
    deviation: np.ndarray
    prototypes: Mapping[str, tuple[int, np.ndarray]] = field(default_factory=dict)


def summarise_clips(vectors: np.ndarray, labels: Sequence[str | None] | None = None) -> Clips:
    """What is kept of a speaker's (K, D) vectors and of their classes, None of a clip without one."""
    vectors = np.asarray(vectors, dtype=np.float64)
    number, dim = vectors.shape
    mean = vectors.mean(axis=0) if number else np.zeros(dim)
    deviation = vectors.std(axis=0, ddof=1) if number > 1 else np.zeros(dim)
    found = np.array([label or "" for label in labels or [None] * number])
    names = sorted({label for label in labels or () if label})
    return Clips(number, mean, deviation, {n: (int((found == n).sum()), vectors[found == n].mean(0)) for n in names})


class Adaptation:
    """How the vectors and scores of one speaker change."""

    def __init__(self, training: TrainingSpeakers, strengths: Strengths, clips: Clips) -> None:
        self._mean, scale = training.mean, np.square(training.deviation)
        self._centre, variance = training.mean, scale
        if strengths.mean is not None and clips.number:
            weight = clips.number / (clips.number + strengths.mean)
            self._centre = training.mean + weight * (clips.mean - training.mean)
        if strengths.deviation is not None and clips.number > 1:
            weight = (clips.number - 1) / (clips.number - 1 + strengths.deviation)
            variance = scale + weight * (np.square(clips.deviation) - scale)
        # Exactly 1 and 0 where nothing is known, so that nothing changes.
        self._ratio = np.sqrt(scale / variance)
        self._deviation = training.deviation
        # (C, D) and (C,): what a class's score grows by is linear in the vector.
        self._weights = np.zeros((len(training.classes), len(training.mean)))
        self._bias = np.zeros(len(training.classes))
        for row, (name, mean) in enumerate(training.classes.items()):
            if name in clips.prototypes and strengths.weight:
                self._add_prototype(row, mean, *clips.prototypes[name], strengths)

    def _add_prototype(self, row: int, mean: np.ndarray, number: int, own: np.ndarray, strengths: Strengths) -> None:
        before = (mean - self._mean) / self._deviation
        heard = (own + self.shift(own) - self._mean) / self._deviation
        after = before + number / (number + strengths.prototype) * (heard - before)
        factor = strengths.weight / len(mean)
        self._weights[row] = factor * (after - before)
        self._bias[row] = -0.5 * factor * (np.square(after).sum() - np.square(before).sum())

    def shift(self, vectors: np.ndarray) -> np.ndarray:
        """What is added to vectors (..., D) to map them onto the training speakers; 0 where nothing is known."""
        return (self._ratio - 1.0) * (vectors - self._centre) + (self._mean - self._centre)

    def class_shift(self, vectors: np.ndarray) -> np.ndarray:
        """What is added to the scores (..., C) of the main category's classes, beside what the shift does to them."""
        units = (vectors + self.shift(vectors) - self._mean) / self._deviation
        return units @ self._weights.T + self._bias

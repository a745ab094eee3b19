"""What people are told about an utterance, task by task, as typed values, and their form as JSON."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

# Decimals of seconds and of probabilities in JSON.
SECONDS_DIGITS = 3
PROBABILITY_DIGITS = 4


class TaskAnswer(ABC):
    """The answer of one task."""

    @property
    def is_finite(self) -> bool:
        """Whether its numbers are."""
        return True

    @abstractmethod
    def to_json(self) -> Any:
        """Plain types, rounded."""


@dataclass(frozen=True)
class Category(TaskAnswer):
    """A class and the calibrated probability of each class."""

    label: str
    probs: dict[str, float]

    @property
    def confidence(self) -> float:
        """The probability of the class that was chosen."""
        return self.probs[self.label]

    @property
    def is_finite(self) -> bool:
        return all(math.isfinite(p) for p in self.probs.values())

    def to_json(self) -> dict[str, Any]:
        return {"label": self.label, "probs": {n: round(p, PROBABILITY_DIGITS) for n, p in self.probs.items()}}


@dataclass(frozen=True)
class Level(TaskAnswer):
    """A place on the scale from 0 to 1, and the name of the nearest level that the training corpus has."""

    value: float
    level: str

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.value)

    def to_json(self) -> dict[str, Any]:
        return {"value": round(self.value, PROBABILITY_DIGITS), "level": self.level}


@dataclass(frozen=True)
class Value(TaskAnswer):
    """A number in the units of the training corpus, and the range that it lies in."""

    value: float
    low: float
    high: float

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.value)

    def to_json(self) -> dict[str, float]:
        return {"value": round(self.value, PROBABILITY_DIGITS), "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Phone:
    """One symbol, where the network hears it. Times are of CTC's peaks: good to about 50 ms, not forced alignment."""

    phone: str
    start: float
    end: float

    def to_json(self) -> dict[str, Any]:
        return {"phone": self.phone, "start": seconds(self.start), "end": seconds(self.end)}


class Symbols(TaskAnswer, tuple[Phone, ...]):
    """Symbols in the order in which they are heard."""

    def to_json(self) -> list[dict[str, Any]]:
        return [phone.to_json() for phone in self]


def seconds(value: float) -> float:
    """Seconds as JSON has them."""
    return round(value, SECONDS_DIGITS)

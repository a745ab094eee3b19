"""What people are told about an utterance, task by task, as typed values, and their form as JSON."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

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


class Symbols(TaskAnswer, Sequence[Phone]):
    """Symbols in the order in which they are heard, packed: twelve hours of speech have half a million."""

    def __init__(self, phones: Iterable[Phone]) -> None:
        self._names: list[str] = []
        # Start and end of each.
        self._times = array("d")
        for phone in phones:
            self._names.append(phone.phone)
            self._times.extend((phone.start, phone.end))

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> Phone: ...

    @overload
    def __getitem__(self, index: slice) -> Symbols: ...

    def __getitem__(self, index: int | slice) -> Phone | Symbols:
        places = range(len(self))[index]
        if isinstance(places, range):
            return Symbols(self[place] for place in places)
        return Phone(self._names[places], self._times[2 * places], self._times[2 * places + 1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Symbols) and (self._names, self._times) == (other._names, other._times)

    def __hash__(self) -> int:
        return hash((*self._names, *self._times))

    def to_json(self) -> list[dict[str, Any]]:
        return [phone.to_json() for phone in self]


def seconds(value: float) -> float:
    """Seconds as JSON has them."""
    return round(value, SECONDS_DIGITS)

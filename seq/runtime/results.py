"""What a model says about a recording, as typed values, and their form as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Decimals of seconds and of probabilities in JSON.
SECONDS_DIGITS = 3
PROBABILITY_DIGITS = 4


@dataclass(frozen=True)
class Phone:
    """One phone, where the network hears it. Times are of CTC's peaks: good to about 50 ms, not forced alignment."""

    phone: str
    start: float
    end: float

    def to_dict(self) -> dict[str, Any]:
        return {"phone": self.phone, "start": _seconds(self.start), "end": _seconds(self.end)}


@dataclass(frozen=True)
class Intensity:
    """How strongly the emotion is expressed: a value in [0, 1] and the nearest level that the training corpus has."""

    value: float
    level: str

    def to_dict(self) -> dict[str, Any]:
        return {"value": round(self.value, PROBABILITY_DIGITS), "level": self.level}


@dataclass(frozen=True)
class Category:
    """A class and the calibrated probability of each class."""

    label: str
    probs: dict[str, float]

    @property
    def confidence(self) -> float:
        """The probability of the class that was chosen."""
        return self.probs[self.label]

    def to_dict(self) -> dict[str, Any]:
        probs = {name: round(value, PROBABILITY_DIGITS) for name, value in self.probs.items()}
        return {"label": self.label, "probs": probs}


@dataclass(frozen=True)
class Answer:
    """What was heard from `start` to `end` (seconds from the beginning of the recording).

    A task that the model was not trained for is None. `uncertain` is whether the emotion's probability lies below the
    threshold that was fitted on the valid part, or too little was heard to judge; None without an emotion.
    """

    start: float
    end: float
    emotion: Category | None
    uncertain: bool | None
    intensity: Intensity | None
    gender: Category | None
    phones: tuple[Phone, ...] | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "start": _seconds(self.start),
            "end": _seconds(self.end),
            "emotion": self.emotion.to_dict() if self.emotion else None,
            "uncertain": self.uncertain,
            "intensity": self.intensity.to_dict() if self.intensity else None,
            "gender": self.gender.to_dict() if self.gender else None,
            "phones": [phone.to_dict() for phone in self.phones] if self.phones is not None else None,
        }


@dataclass(frozen=True)
class Result(Answer):
    """The answer for a whole recording.

    A recording of up to 20 s is answered as one utterance, and `windows` is empty. A longer one is answered window by
    window; `windows` is the time line, the result itself their summary (see `seq.runtime.recording`).
    """

    duration: float
    windows: tuple[Answer, ...] = ()
    description: str | None = None

    def to_dict(self) -> dict[str, Any]:
        row = {"duration": _seconds(self.duration), **super().to_dict()}
        if self.description is not None:
            row["description"] = self.description
        if self.windows:
            row["windows"] = [window.to_dict() for window in self.windows]
        return row


def _seconds(value: float) -> float:
    return round(value, SECONDS_DIGITS)

"""One line of predictions.jsonl, typed: what was said of an utterance beside what it is labelled.

The shape of the file is a contract: `id, corpus, fold, seed, speaker`, then per task `ref`, `hyp` and probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from seq.utils.typed_values import read_typed

# How a line begins; what follows are tasks.
HEAD = ("id", "corpus", "fold", "seed", "speaker")
# Of a category: the manifest has it.
NOT_IN_FILE: Final = "votes"
P = TypeVar("P", bound="TaskPrediction")


@dataclass
class TaskPrediction:
    """What every task has; references that are None are unlabelled."""

    ref: Any
    hyp: Any

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: what is optional and absent is left out."""
        return {"ref": self.ref, "hyp": self.hyp}


@dataclass
class CategoryPrediction(TaskPrediction):
    """A class; `probs` by class, None for a system that has none.

    `votes`, the share of annotators by class, is the manifest's and not in the file.
    """

    ref: str | None
    hyp: str
    probs: dict[str, float] | None = None
    votes: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "probs": self.probs}


@dataclass
class ScalePrediction(TaskPrediction):
    """A level (`hyp`), the value in [0, 1] that it is nearest to, and the probabilities of the thresholds."""

    ref: float | None
    hyp: float
    value: float
    probs: list[float] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "value": self.value, "probs": self.probs}


@dataclass
class ValuePrediction(TaskPrediction):
    """A number in the units of the corpus."""

    ref: float | None
    hyp: float


@dataclass
class SequencePrediction(TaskPrediction):
    """Symbols; with times, the start and end (s) of each: those of the best path, and of the reference's alignment."""

    ref: list[str] | None
    hyp: list[str]
    hyp_times: list[list[float]] | None = None
    # None where the reference does not fit into the frames.
    ref_times: list[list[float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        row = super().to_dict()
        if self.hyp_times is not None:
            row["hyp_times"] = self.hyp_times
            if self.ref is not None:
                row["ref_times"] = self.ref_times
        return row


def read_answer(data: Any, kind: type[P], name: str) -> P:
    """What a line of predictions.jsonl has of the task `name`; keys that `kind` lacks are left out.

    Raises:
        InputError: a key is missing, or a value is of another type.
    """
    known = {f.name for f in fields(kind)} - {NOT_IN_FILE}
    kept = {key: value for key, value in data.items() if key in known} if isinstance(data, dict) else data
    return read_typed(kept, kind, name)


@dataclass
class Prediction:
    """An utterance with what was said of it, by task."""

    id: str
    speaker: str
    tasks: dict[str, TaskPrediction]
    corpus: str | None = None
    fold: int | None = None
    seed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """A line of predictions.jsonl."""
        head = {name: getattr(self, name) for name in HEAD}
        return {**head, **{name: row.to_dict() for name, row in self.tasks.items()}}


@dataclass(frozen=True)
class ManifestRow:
    """The supervision of a manifest's line, without Lhotse: what references are taken from."""

    id: str
    speaker: str
    gender: str | None
    text: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    language: str | None = None

    @property
    def sentence(self) -> str | None:
        """What is said: the corpus's own name of it, or its text."""
        return self.custom.get("sentence") or self.text

    @staticmethod
    def from_dict(cut: dict[str, Any]) -> ManifestRow:
        """Read a line. Raises KeyError or IndexError where it has no id or no supervision."""
        found = cut["supervisions"][0]
        speaker = found.get("speaker") or "unknown"
        custom = found.get("custom") or {}
        return ManifestRow(cut["id"], speaker, found.get("gender"), found.get("text"), custom, found.get("language"))

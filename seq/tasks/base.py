"""What a task is. Adding one means adding `seq/tasks/<name>.py` that defines `TASK`; nothing else names it.

A task belongs to a kind (`seq.tasks.kinds`): heads and losses are made for kinds, and a model folder is read by kind
alone. What a task says itself is where its label comes from, what its answer is called, its columns and its weight.
The runner asks for names only, so nothing here imports numpy before an answer is computed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol

from seq.utils.typed_values import Finite, read_typed

if TYPE_CHECKING:
    import numpy as np

    from seq.conf import CorpusConf, ProtocolConf
    from seq.tasks.answers import TaskAnswer
    from seq.tasks.predictions import TaskPrediction
    from seq.tasks.statistics import Statistic

# A class, a number, or symbols.
Label = str | float | list[str]
# What a task's answer adds to a sentence on how something was said (`seq.runtime.describe`): "A woman" / " slightly" /
# "angry".
Slot = Literal["subject", "degree", "adjective"]
SLOTS: Final[tuple[Slot, ...]] = ("subject", "degree", "adjective")


@dataclass(frozen=True)
class Column:
    """A metric of scores.json as a column of tables; a heading with % prints the fraction as percent."""

    metric: str
    heading: str
    less_is_better: bool = False
    # Of some experiments only: tables and scores leave it out where no utterance has it.
    is_optional: bool = False

    def format(self, value: float) -> str:
        """A value in a sentence: `63.7 %` or `0.204`."""
        return f"{100 * value:.1f} %" if "%" in self.heading else f"{value:.3f}"


@dataclass(frozen=True)
class Outputs:
    """What the numbers of a head stand for; plain types, kept in every checkpoint and model folder."""

    kind: str
    # Classes (category), or symbols of which number 0 is the blank (sequence).
    labels: tuple[str, ...] = ()
    # Levels that the training corpus has, ascending (scale).
    levels: tuple[float, ...] = ()
    # What 0 and 1 of the network stand for, in the units of the corpus (value).
    low: Finite = 0.0
    high: Finite = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @staticmethod
    def from_dict(data: Any, what: str = "what the numbers of a head stand for") -> Outputs:
        """Inverse of `to_dict`. Raises InputError, naming `what`, for other keys and values."""
        return read_typed(data, Outputs, what)


class Supervision(Protocol):
    """What a label is taken from: Lhotse's supervision, or `ManifestRow` (`seq.tasks.predictions`)."""

    @property
    def id(self) -> str: ...
    @property
    def gender(self) -> str | None: ...
    @property
    def custom(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True)
class Setting:
    """What labels and answers depend on beside the utterance: classes and merges, the corpus's scales, the texts."""

    protocol: ProtocolConf
    corpus: CorpusConf
    # Symbols of the CTC branch, the blank first, and the reference of every utterance that has text; scoring, which
    # takes these references from the predictions, has neither.
    symbols: tuple[str, ...] = ()
    transcripts: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stretch:
    """Where an utterance lies in its recording, in seconds, and how long a frame of the network is."""

    start: float
    end: float
    frame_seconds: float


class Task(ABC):
    """One thing that a network says about an utterance."""

    # Column of predictions.jsonl and of scores.json.
    name: ClassVar[str]
    kind: ClassVar[str]
    # Tasks come in this order everywhere; the first one that is trained chooses the epoch.
    order: ClassVar[int]
    # Trained unless --tasks says otherwise.
    is_default: ClassVar[bool] = False
    # Of its mean loss in the sum over tasks, unless train.loss_scales says otherwise.
    loss_scale: ClassVar[float] = 1.0
    # Whether its classes matter one by one: train.class_balance and label smoothing apply, tables list their recall.
    by_class: ClassVar[bool] = False
    # Whether its answer is of the speaker and the same in all their recordings: a known speaker's mean holds it.
    is_of_speaker: ClassVar[bool] = False
    # Metrics in tables; the first one is what the task is judged by.
    columns: ClassVar[tuple[Column, ...]]
    # Under what name people see the answer, in JSON and as an attribute; empty: the task's own.
    answer_name: ClassVar[str] = ""
    # Between which numbers its answers lie, where that does not depend on the corpus.
    limits: ClassVar[tuple[float, float] | None] = None
    # Width of its column in tables for the eye.
    width: ClassVar[int] = 10
    slot: ClassVar[Slot | None] = None
    # What a label is in a sentence, where it is not its own name.
    words: ClassVar[Mapping[str, str]] = {}

    @property
    def main(self) -> Column:
        """The column that the task is judged by."""
        return self.columns[0]

    @property
    def csv_columns(self) -> tuple[str, ...]:
        """Columns of CSV, one for each of `cells`."""
        return (self.called,)

    @property
    def called(self) -> str:
        """Under what name people see the answer."""
        return self.answer_name or self.name

    def columns_for(self, unit: str) -> tuple[Column, ...]:
        """The columns of an experiment whose `lang.unit` this is."""
        del unit
        return self.columns

    # ---- labels

    @abstractmethod
    def outputs(self, setting: Setting) -> Outputs:
        """What the numbers of its head stand for."""

    @abstractmethod
    def label(self, supervision: Supervision, setting: Setting) -> Label | None:
        """The reference of an utterance; None where it has none."""

    def votes(self, supervision: Supervision, setting: Setting) -> dict[str, float] | None:
        """The share of annotators who chose each class; None where there was one annotator, or the task knows none."""
        del supervision, setting
        return None

    def reference(self, label: Label, outputs: Outputs) -> Label:
        """A label as predictions.jsonl has it."""
        del outputs
        return label

    # ---- answers

    @abstractmethod
    def size(self, outputs: Outputs) -> int:
        """How many numbers the head gives, for each utterance or each frame."""

    @abstractmethod
    def about(self, outputs: Outputs) -> str:
        """What its answers can be, for a model card."""

    @abstractmethod
    def answer(self, numbers: np.ndarray, outputs: Outputs, stretch: Stretch, temperature: float = 1.0) -> TaskAnswer:
        """What people are told, from what the head gives for one utterance; a temperature calibrates probabilities."""

    @abstractmethod
    def merge(
        self, answers: Sequence[TaskAnswer], parts: Sequence[tuple[float, float]], outputs: Outputs
    ) -> TaskAnswer:
        """One answer for several stretches of speech, of each of which the part from start to end (s) counts."""

    @abstractmethod
    def cells(self, answer: TaskAnswer | None) -> list[str]:
        """The answer as CSV, a cell for each of `csv_columns`."""

    @abstractmethod
    def cell(self, answer: TaskAnswer | None) -> str:
        """The answer for the eye."""

    def word(self, answer: TaskAnswer) -> str:
        """What it adds to a sentence in its `slot`."""
        raise NotImplementedError(f"{self.name} has no slot in a sentence")

    def fact(self, answer: TaskAnswer) -> str | None:
        """What is said of it beside such a sentence."""
        del answer
        return None

    # ---- scores

    def number(self, row: TaskPrediction) -> float | None:
        """The number to draw against the reference; None for a task whose answers are no numbers."""
        del row
        return None

    @abstractmethod
    def parse(self, data: Any) -> TaskPrediction:
        """Read what predictions.jsonl has of it. Raises InputError for another shape."""

    @abstractmethod
    def problem(self, row: TaskPrediction, ref: Any, outputs: Outputs, protocol: str) -> str | None:
        """What is wrong with a prediction for the reference `ref`, as the end of a sentence; None if nothing."""

    @abstractmethod
    def statistic(self, rows: Sequence[TaskPrediction], speakers: Sequence[str], outputs: Outputs) -> Statistic:
        """The metrics of rows that all have a reference, as a function of speaker weights."""

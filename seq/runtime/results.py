"""What a model says about a recording, as typed values, and their form as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seq.audio.sound import Band, Sound
from seq.tasks.answers import Phone, TaskAnswer, seconds
from seq.tasks.base import Outputs, Task
from seq.tasks.registry import all_tasks, first_category

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Catalogue:
    """What a model answers: its tasks in order, what their numbers stand for, and the one that decides on doubt."""

    tasks: tuple[Task, ...]
    outputs: Mapping[str, Outputs]
    # The category whose confidence says whether an answer is uncertain; None where there is none.
    main: str | None

    def shown(self) -> list[Task]:
        """The tasks of answers' forms: those of the model and, as nothing, the default ones that it lacks."""
        absent = [task for task in all_tasks() if task.is_default and task.name not in self.outputs]
        return sorted([*self.tasks, *absent], key=lambda task: task.order)

    @property
    def judged(self) -> str | None:
        """The task beside which forms say whether an answer is uncertain: the main category, even an absent one."""
        if self.main:
            return self.main
        first = first_category(self.shown())
        return first.name if first else None


@dataclass(frozen=True)
class Answer:
    """What was heard from `start` to `end` (seconds from the beginning of the recording).

    The answers of tasks are attributes: `answer.emotion.label`, `answer.intensity.value`, `answer.phones`; None for a
    task that the model was not trained for. `doubts` says why it should not be relied on: the main category's
    probability lies below the threshold that was fitted on the valid part, or the sound is strange (see there).
    """

    start: float
    end: float
    doubts: tuple[str, ...]
    # By task.
    tasks: Mapping[str, TaskAnswer]
    catalogue: Catalogue = field(repr=False, compare=False)
    sound: Sound
    # (D,) float32, what the heads of the utterance read, whoever speaks; None of a model whose graph does not give it.
    embedding: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def uncertain(self) -> bool | None:
        """Whether the answer should not be relied on; None for a model without a main category."""
        return None if self.catalogue.main is None else bool(self.doubts)

    @property
    def band(self) -> Band | None:
        """Whether anything is heard above 4 kHz (`seq.audio.sound`)."""
        return self.sound.band

    def __getattr__(self, name: str) -> Any:
        """The answer of the task that is called `name`."""
        if not name.startswith("_") and name not in ("catalogue", "tasks"):
            for task in self.catalogue.shown():
                if task.called == name:
                    return self.tasks.get(task.name)
        raise AttributeError(f"{type(self).__name__} has no {name}: it is no task that this model or version knows")

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {key: to_plain(value) for key, value in self.to_row().items()}

    def to_row(self) -> dict[str, Any]:
        """What `to_dict` holds, with answers that are not plain yet (`to_plain`): together they may be large."""
        row: dict[str, Any] = {"start": seconds(self.start), "end": seconds(self.end)}
        judged = self.catalogue.judged
        for task in self.catalogue.shown():
            row[task.called] = self.tasks.get(task.name)
            if task.name == judged:
                row["uncertain"] = self.uncertain
        return {**row, "uncertain": self.uncertain, "doubts": list(self.doubts), "band": self.band}


@dataclass(frozen=True)
class Result(Answer):
    """The answer for a whole recording.

    A recording of up to 20 s is answered as one utterance, and `windows` is empty. A longer one is answered window by
    window; `windows` is the time line, the result itself their summary (see `seq.runtime.recording`), its `embedding`
    their mean over time.
    """

    duration: float = 0.0
    windows: tuple[Answer, ...] = ()
    description: str | None = None

    def to_row(self) -> dict[str, Any]:
        row = {"duration": seconds(self.duration), **super().to_row()}
        if self.description is not None:
            row["description"] = self.description
        if self.windows:
            row["windows"] = self.windows
        return row


def to_plain(value: Any) -> Any:
    """The form as JSON of an answer, of the answer of a task, or of several; what is plain stays."""
    if isinstance(value, Answer):
        return value.to_dict()
    if isinstance(value, TaskAnswer | Phone):
        return value.to_json()
    return [to_plain(item) for item in value] if isinstance(value, tuple) else value

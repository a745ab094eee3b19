"""Tasks of a model folder that this installation does not know: they are answered by their kind alone."""

from __future__ import annotations

from typing import Any, Final

from seq.errors import InputError
from seq.tasks.base import Task
from seq.tasks.kinds import CategoryTask, ScaleTask
from seq.tasks.sequence import SequenceTask
from seq.tasks.value import ValueTask

KINDS: Final[dict[str, type[Task]]] = {cls.kind: cls for cls in (CategoryTask, ScaleTask, ValueTask, SequenceTask)}
# After all tasks that are known.
UNKNOWN_ORDER: Final = 1_000_000


def stand_in(name: str, kind: str) -> Task:
    """A task that a model folder has and this installation does not know: it is answered by its kind alone.

    Raises:
        InputError: the kind is unknown, too.
    """
    if kind not in KINDS:
        raise InputError(f"the model's task {name} is of the kind {kind!r}, which this version of SpeechEQ lacks")

    def unknown(*_: object) -> Any:
        raise InputError(f"the task {name} is not installed here: its labels are not known")

    members = {"name": name, "order": UNKNOWN_ORDER, "columns": (), "outputs": unknown, "label": unknown}
    task: Task = type(f"StandIn_{name}", (KINDS[kind],), members)()
    return task

"""The speaker's gender, as corpora note it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from seq.tasks.base import Column, Outputs, Setting, Slot, Supervision
from seq.tasks.kinds import CategoryTask
from seq.tasks.predictions import TaskPrediction

if TYPE_CHECKING:
    from seq.tasks.statistics import Statistic

GENDERS: Final = ("F", "M")


class Gender(CategoryTask):
    """F or M."""

    name = "gender"
    order = 30
    is_default = True
    loss_scale = 0.5
    is_of_speaker = True
    columns = (Column("accuracy", "gender %"),)
    width = 6
    slot: ClassVar[Slot | None] = "subject"
    words: ClassVar[Mapping[str, str]] = {"F": "A woman", "M": "A man"}

    def outputs(self, setting: Setting) -> Outputs:
        return Outputs(self.kind, labels=GENDERS)

    def label(self, supervision: Supervision, setting: Setting) -> str | None:
        return supervision.gender if supervision.gender in GENDERS else None

    def statistic(self, rows: Sequence[TaskPrediction], speakers: Sequence[str], outputs: Outputs) -> Statistic:
        from seq.tasks.statistics import Accuracy

        return Accuracy([row.ref for row in rows], [row.hyp for row in rows], speakers, outputs.labels)


TASK = Gender()

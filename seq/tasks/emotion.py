"""ESC: the emotion category, among the classes of a protocol (arXiv 2206.13101)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from seq.tasks.answers import Category, TaskAnswer
from seq.tasks.base import Column, Outputs, Setting, Slot, Supervision
from seq.tasks.kinds import CategoryTask


class Emotion(CategoryTask):
    """The category after the protocol's merges."""

    name = "emotion"
    order = 10
    is_default = True
    by_class = True
    columns = (Column("UA", "UA %"), Column("WA", "WA %"), Column("macro_f1", "macro-F1 %"))
    width = 16
    slot: ClassVar[Slot | None] = "adjective"
    # Names of emotions that are no adjectives.
    words: ClassVar[Mapping[str, str]] = {"contempt": "contemptuous", "other": "moved by another emotion"}

    @property
    def csv_columns(self) -> tuple[str, ...]:
        return ("emotion", "confidence")

    def outputs(self, setting: Setting) -> Outputs:
        return Outputs(self.kind, labels=tuple(setting.protocol.emotions))

    def label(self, supervision: Supervision, setting: Setting) -> str | None:
        found = (supervision.custom or {}).get(self.name)
        merges = {merge.raw: merge.name for merge in setting.protocol.merges}
        return merges.get(found, found)

    def cell(self, answer: TaskAnswer | None) -> str:
        return f"{answer.label} {answer.confidence:.0%}" if isinstance(answer, Category) else "-"


TASK = Emotion()

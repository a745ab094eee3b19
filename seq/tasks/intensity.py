"""EIS: how strongly the emotion is expressed, on the unified scale from 0 to 1 (`seq.labels`; arXiv 2206.13101)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from seq.tasks.base import Column, Outputs, Setting, Slot, Supervision
from seq.tasks.kinds import ScaleTask


class Intensity(ScaleTask):
    """The rating, or the level that a word stands for; nothing in a corpus that does not rate."""

    name = "intensity"
    order = 20
    is_default = True
    loss_scale = 0.5
    by_class = True
    columns = (
        Column("UA", "intensity UA %"),
        Column("MAE", "MAE", less_is_better=True),
        Column("spearman", "Spearman"),
    )
    width = 14
    slot: ClassVar[Slot | None] = "degree"
    words: ClassVar[Mapping[str, str]] = {"none": "", "weak": "slightly", "moderate": "", "strong": "strongly"}

    @property
    def csv_columns(self) -> tuple[str, ...]:
        return ("intensity", "level")

    def outputs(self, setting: Setting) -> Outputs:
        from seq.labels import corpus_anchors

        return Outputs(self.kind, levels=corpus_anchors(setting.corpus))

    def label(self, supervision: Supervision, setting: Setting) -> float | None:
        return (supervision.custom or {}).get(self.name)


TASK = Intensity()

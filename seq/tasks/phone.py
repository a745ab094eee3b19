"""What is spoken, in phones (or letters, or pieces of words: `lang.unit`), by CTC."""

from __future__ import annotations

from dataclasses import replace

from seq.tasks.base import Column, Outputs, Setting, Supervision
from seq.tasks.sequence import SequenceTask


class Phones(SequenceTask):
    """The phones of the transcript."""

    name = "phone"
    order = 40
    is_default = True
    loss_scale = 0.2
    columns = (Column("PER", "PER %", less_is_better=True),)
    answer_name = "phones"

    def columns_for(self, unit: str) -> tuple[Column, ...]:
        """An error rate of letters or pieces is not one of phones, and is not called so."""
        if unit in ("phone", "ipa"):
            return self.columns
        return tuple(replace(column, heading=f"TER ({unit}) %") for column in self.columns)

    def outputs(self, setting: Setting) -> Outputs:
        return Outputs(self.kind, labels=setting.symbols)

    def label(self, supervision: Supervision, setting: Setting) -> list[str] | None:
        return setting.transcripts.get(supervision.id)


TASK = Phones()

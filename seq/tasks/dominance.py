"""How dominant the speaker is, from weak to strong."""

from __future__ import annotations

from seq.tasks.base import Column
from seq.tasks.value import ValueTask


class Dominance(ValueTask):
    """The mean of the annotators' ratings."""

    name = "dominance"
    order = 70
    loss_scale = 0.5
    columns = (Column("CCC", "dominance CCC"), Column("MAE", "dominance MAE", less_is_better=True))


TASK = Dominance()

"""How pleasant the emotion is, from negative to positive."""

from __future__ import annotations

from seq.tasks.base import Column
from seq.tasks.value import ValueTask


class Valence(ValueTask):
    """The mean of the annotators' ratings."""

    name = "valence"
    order = 50
    loss_scale = 0.5
    columns = (Column("CCC", "valence CCC"), Column("MAE", "valence MAE", less_is_better=True))


TASK = Valence()

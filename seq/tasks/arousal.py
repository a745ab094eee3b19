"""How activated the speaker is, from calm to excited (IEMOCAP's activation)."""

from __future__ import annotations

from seq.tasks.base import Column
from seq.tasks.value import ValueTask


class Arousal(ValueTask):
    """The mean of the annotators' ratings."""

    name = "arousal"
    order = 60
    loss_scale = 0.5
    columns = (Column("CCC", "arousal CCC"), Column("MAE", "arousal MAE", less_is_better=True))


TASK = Arousal()

"""ESC: the emotion category, among the classes of a protocol (arXiv 2206.13101)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from seq.labels import VOTES
from seq.tasks.answers import Category, TaskAnswer
from seq.tasks.base import Column, Outputs, Setting, Slot, Supervision
from seq.tasks.kinds import CategoryTask
from seq.tasks.predictions import CategoryPrediction, TaskPrediction

if TYPE_CHECKING:
    from seq.tasks.statistics import Statistic


class Emotion(CategoryTask):
    """The category after the protocol's merges."""

    name = "emotion"
    order = 10
    is_default = True
    by_class = True
    columns = (
        Column("UA", "UA %"),
        Column("WA", "WA %"),
        Column("macro_f1", "macro-F1 %"),
        # Of the probabilities from the annotators' votes, where there were several annotators.
        Column("JSD", "JSD bits", less_is_better=True, is_optional=True),
    )
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
        return None if found is None else setting.protocol.merged(found)

    def votes(self, supervision: Supervision, setting: Setting) -> dict[str, float] | None:
        """Merged as the label is, and without the classes that the protocol lacks."""
        shares: dict[str, float] = {}
        for name, share in ((supervision.custom or {}).get(VOTES) or {}).items():
            merged = setting.protocol.merged(name)
            if merged in setting.protocol.emotions:
                shares[merged] = shares.get(merged, 0.0) + share
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items()} if total else None

    def statistic(self, rows: Sequence[TaskPrediction], speakers: Sequence[str], outputs: Outputs) -> Statistic:
        """With annotators' votes beside the probabilities, their divergence too."""
        from seq.tasks.statistics import Distribution

        shares = [_shares(cast("CategoryPrediction", row), outputs.labels) for row in rows]
        if not any(shares):
            return super().statistic(rows, speakers, outputs)
        return Distribution([r.ref for r in rows], [r.hyp for r in rows], speakers, outputs.labels, shares)

    def cell(self, answer: TaskAnswer | None) -> str:
        return f"{answer.label} {answer.confidence:.0%}" if isinstance(answer, Category) else "-"


def _shares(row: CategoryPrediction, labels: Sequence[str]) -> tuple[list[float], list[float]] | None:
    """The annotators' votes and the probabilities, each as shares of what falls on `labels`; None without either."""
    votes, probs = ([(found or {}).get(name, 0.0) for name in labels] for found in (row.votes, row.probs))
    if not sum(votes) or not sum(probs):
        return None
    return [vote / sum(votes) for vote in votes], [prob / sum(probs) for prob in probs]


TASK = Emotion()

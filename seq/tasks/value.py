"""The kind `value`: a number on the rating scale of a corpus, learnt on [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from seq.tasks.answers import TaskAnswer, Value
from seq.tasks.base import Label, Outputs, Setting, Stretch, Supervision
from seq.tasks.kinds import UtteranceTask, part_weights
from seq.tasks.predictions import TaskPrediction, ValuePrediction, read_answer

if TYPE_CHECKING:
    import numpy as np

    from seq.tasks.statistics import Statistic


class ValueTask(UtteranceTask):
    """A rating (`corpus.scales.<name>`), whose labels manifests keep on [0, 1]; answers are in the corpus's units."""

    kind: ClassVar[str] = "value"

    def outputs(self, setting: Setting) -> Outputs:
        scale = setting.corpus.scales.get(self.name)
        return Outputs(self.kind, low=scale.low, high=scale.high) if scale else Outputs(self.kind)

    def label(self, supervision: Supervision, setting: Setting) -> float | None:
        return (supervision.custom or {}).get(self.name)

    def reference(self, label: Label, outputs: Outputs) -> float:
        return outputs.low + float(cast("float", label)) * (outputs.high - outputs.low)

    def size(self, outputs: Outputs) -> int:
        return 1

    def about(self, outputs: Outputs) -> str:
        return f"a number from {outputs.low:g} to {outputs.high:g}"

    def predict(self, probs: Sequence[float], ref: float | None, outputs: Outputs) -> ValuePrediction:
        known = None if ref is None else self.reference(ref, outputs)
        return ValuePrediction(known, self.reference(probs[0], outputs))

    def answer(self, numbers: np.ndarray, outputs: Outputs, stretch: Stretch, temperature: float = 1.0) -> Value:
        # The logistic function, which math.exp would end with an OverflowError from -710 on.
        place = 0.5 + 0.5 * math.tanh(0.5 * float(numbers[0]))
        return Value(self.reference(place, outputs), outputs.low, outputs.high)

    def merge(self, answers: Sequence[TaskAnswer], parts: Sequence[tuple[float, float]], outputs: Outputs) -> Value:
        found = cast("Sequence[Value]", answers)
        mean = sum(answer.value * weight for answer, weight in zip(found, part_weights(parts), strict=True))
        return Value(float(mean), outputs.low, outputs.high)

    def cells(self, answer: TaskAnswer | None) -> list[str]:
        return [f"{answer.value:.4f}" if isinstance(answer, Value) else ""]

    def cell(self, answer: TaskAnswer | None) -> str:
        return f"{answer.value:.2f}" if isinstance(answer, Value) else "-"

    def fact(self, answer: TaskAnswer) -> str | None:
        found = cast("Value", answer)
        return f"{self.called} {found.value:.1f} ({found.low:g} to {found.high:g})"

    def parse(self, data: Any) -> ValuePrediction:
        return read_answer(data, ValuePrediction, self.name)

    def problem(self, row: TaskPrediction, ref: Any, outputs: Outputs, protocol: str) -> str | None:
        if wrong := self.other_number(row, ref):
            return wrong
        if not math.isfinite(row.hyp):
            return f"has the {self.name} {row.hyp}"
        return None

    def number(self, row: TaskPrediction) -> float | None:
        return float(row.hyp)

    def statistic(self, rows: Sequence[TaskPrediction], speakers: Sequence[str], outputs: Outputs) -> Statistic:
        from seq.tasks.number_statistics import Concordance

        return Concordance([row.ref for row in rows], [row.hyp for row in rows], speakers)

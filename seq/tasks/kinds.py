"""The kinds of tasks: what they share is written once here, and a model folder is read by kind alone.

category   one of several classes: softmax, cross entropy, UA and WA
value      a number on the rating scale of a corpus: one sigmoid, CCC (`seq.tasks.value`)
scale      a place on the ordinal scale of `seq.labels`: three cumulative thresholds, UA over levels, Spearman
sequence   symbols in order, by CTC: error rate

The torch side of a kind, its loss and its target, is in `seq.train.losses` and `seq.data.targets`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from seq.tasks.answers import Category, Level, TaskAnswer
from seq.tasks.base import Outputs, Stretch, Task
from seq.tasks.predictions import CategoryPrediction, ScalePrediction, TaskPrediction, read_answer

if TYPE_CHECKING:
    import numpy as np

    from seq.tasks.statistics import Statistic

# References and levels may be written with three decimals.
TOLERANCE = 1e-3
# Probabilities of a dozen classes with two decimals sum to 1 within this.
SUM_TOLERANCE = 0.1


class UtteranceTask(Task):
    """A task whose head gives numbers for a whole utterance; `predict` takes them activated (softmax, sigmoid)."""

    def predict(self, probs: Sequence[float], ref: Any, outputs: Outputs) -> TaskPrediction:
        """What predictions.jsonl has of one utterance."""
        raise NotImplementedError

    def other_number(self, row: TaskPrediction, ref: float | None) -> str | None:
        """What `problem` says of a reference that is not the manifest's, for tasks whose references are numbers."""
        if (row.ref is None) != (ref is None) or (ref is not None and not abs(row.ref - ref) <= TOLERANCE):
            return f"has the {self.name} {row.ref} as its reference, the manifest {ref}"
        return None


class CategoryTask(UtteranceTask):
    """One of several classes."""

    kind: ClassVar[str] = "category"

    @property
    def csv_columns(self) -> tuple[str, ...]:
        return (self.called, f"{self.called}_confidence")

    def size(self, outputs: Outputs) -> int:
        return len(outputs.labels)

    def about(self, outputs: Outputs) -> str:
        return ", ".join(outputs.labels)

    def predict(self, probs: Sequence[float], ref: str | None, outputs: Outputs) -> CategoryPrediction:
        best = max(range(len(outputs.labels)), key=probs.__getitem__)
        return CategoryPrediction(ref, outputs.labels[best], dict(zip(outputs.labels, probs, strict=True)))

    def answer(self, numbers: np.ndarray, outputs: Outputs, stretch: Stretch, temperature: float = 1.0) -> Category:
        import numpy as np

        logits = numbers.astype(np.float64) / temperature
        probs = np.exp(logits - logits.max())
        return self._choose(probs / probs.sum(), outputs)

    def merge(self, answers: Sequence[TaskAnswer], parts: Sequence[tuple[float, float]], outputs: Outputs) -> Category:
        import numpy as np

        known = cast("Sequence[Category]", answers)
        return self._choose(
            part_weights(parts) @ np.array([[a.probs[n] for n in outputs.labels] for a in known]), outputs
        )

    def _choose(self, probs: np.ndarray, outputs: Outputs) -> Category:
        found = self.predict(probs.tolist(), None, outputs)
        return Category(found.hyp, found.probs or {})

    def cells(self, answer: TaskAnswer | None) -> list[str]:
        return [answer.label, f"{answer.confidence:.4f}"] if isinstance(answer, Category) else ["", ""]

    def cell(self, answer: TaskAnswer | None) -> str:
        return answer.label if isinstance(answer, Category) else "-"

    def word(self, answer: TaskAnswer) -> str:
        label = cast("Category", answer).label
        return self.words.get(label, label)

    def parse(self, data: Any) -> CategoryPrediction:
        return read_answer(data, CategoryPrediction, self.name)

    def problem(self, row: TaskPrediction, ref: Any, outputs: Outputs, protocol: str) -> str | None:
        classes = outputs.labels
        if ref is not None and ref not in classes:
            return f"has the {self.name} {ref}, which protocol {protocol} lacks although its fold has the utterance"
        if row.ref != ref:
            return f"has the {self.name} {row.ref} as its reference, the manifest {ref}"
        probs = cast("CategoryPrediction", row).probs
        if row.hyp not in classes or set(probs or classes) != set(classes):
            return f"has a {self.name} hypothesis ({row.hyp}) of another label set than {', '.join(classes)}"
        if not probs:
            return None
        if wrong := wrong_probability(self.name, probs.values()):
            return wrong
        if not abs(sum(probs.values()) - 1.0) <= SUM_TOLERANCE:
            return f"has {self.name} probabilities that sum to {sum(probs.values()):g}, and not to 1"
        return None

    def statistic(self, rows: Sequence[TaskPrediction], speakers: Sequence[str], outputs: Outputs) -> Statistic:
        from seq.tasks.statistics import Classification

        return Classification([row.ref for row in rows], [row.hyp for row in rows], speakers, outputs.labels)


class ScaleTask(UtteranceTask):
    """A place on the scale from 0 to 1 (`seq.labels`), learnt through three cumulative thresholds."""

    kind: ClassVar[str] = "scale"
    limits: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    @property
    def csv_columns(self) -> tuple[str, ...]:
        return (self.called, f"{self.called}_level")

    def size(self, outputs: Outputs) -> int:
        from seq.labels import NUM_THRESHOLDS

        return NUM_THRESHOLDS

    def about(self, outputs: Outputs) -> str:
        levels = ", ".join(f"{level:.3g}" for level in outputs.levels) or "none, it does not rate"
        return f"0 to 1; levels of the training corpus: {levels}"

    def predict(self, probs: Sequence[float], ref: float | None, outputs: Outputs) -> ScalePrediction:
        import numpy as np

        from seq.labels import intensity_value, nearest_level

        value = float(intensity_value(np.asarray(probs)))
        hyp = nearest_level(value, outputs.levels) if outputs.levels else value
        return ScalePrediction(ref, hyp, value, list(probs))

    def answer(self, numbers: np.ndarray, outputs: Outputs, stretch: Stretch, temperature: float = 1.0) -> Level:
        import numpy as np

        probs = 1.0 / (1.0 + np.exp(-numbers.astype(np.float64)))
        return self._name(self.predict(probs.tolist(), None, outputs).value, outputs)

    def merge(self, answers: Sequence[TaskAnswer], parts: Sequence[tuple[float, float]], outputs: Outputs) -> Level:
        import numpy as np

        values = [answer.value for answer in cast("Sequence[Level]", answers)]
        return self._name(float(np.dot(values, part_weights(parts))), outputs)

    @staticmethod
    def _name(value: float, outputs: Outputs) -> Level:
        from seq.labels import INTENSITY_ANCHORS, INTENSITY_NAMES, nearest_level

        level = nearest_level(value, outputs.levels or INTENSITY_ANCHORS)
        return Level(value, INTENSITY_NAMES[INTENSITY_ANCHORS.index(nearest_level(level, INTENSITY_ANCHORS))])

    def cells(self, answer: TaskAnswer | None) -> list[str]:
        return [f"{answer.value:.4f}", answer.level] if isinstance(answer, Level) else ["", ""]

    def cell(self, answer: TaskAnswer | None) -> str:
        return f"{answer.value:.2f} {answer.level}" if isinstance(answer, Level) else "-"

    def word(self, answer: TaskAnswer) -> str:
        level = cast("Level", answer).level
        return self.words.get(level, level)

    def number(self, row: TaskPrediction) -> float:
        return cast("ScalePrediction", row).value

    def parse(self, data: Any) -> ScalePrediction:
        return read_answer(data, ScalePrediction, self.name)

    def problem(self, row: TaskPrediction, ref: Any, outputs: Outputs, protocol: str) -> str | None:
        if wrong := self.other_number(row, ref):
            return wrong
        if ref is None:
            return None
        found = cast("ScalePrediction", row)
        if not math.isfinite(found.value):
            return f"has the {self.name} value {found.value}"
        if not min(abs(found.hyp - level) for level in outputs.levels) <= TOLERANCE:
            return f"has an {self.name} hypothesis ({row.hyp}) that is none of the levels {list(outputs.levels)}"
        return wrong_probability(self.name, found.probs or ())

    def statistic(self, rows: Sequence[TaskPrediction], speakers: Sequence[str], outputs: Outputs) -> Statistic:
        from seq.tasks.number_statistics import Scale

        found = cast("Sequence[ScalePrediction]", rows)
        refs, hyps, values = ([getattr(row, name) for row in found] for name in ("ref", "hyp", "value"))
        return Scale(refs, hyps, values, speakers, outputs.levels)


def wrong_probability(name: str, probs: Iterable[float]) -> str | None:
    """What `problem` says of probabilities of which one is none: NaN, infinite, negative, or above 1."""
    wrong = next((value for value in probs if not 0.0 <= value <= 1.0 + TOLERANCE), None)
    return None if wrong is None else f"has the {name} probability {wrong}, and probabilities are from 0 to 1"


def part_weights(parts: Sequence[tuple[float, float]]) -> np.ndarray:
    """How much each part counts, by its length; they sum to 1."""
    import numpy as np

    seconds = np.array([end - start for start, end in parts])
    return seconds / seconds.sum()

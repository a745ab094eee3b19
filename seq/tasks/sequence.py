"""The kind `sequence`: symbols in order, by CTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from seq.tasks.answers import Phone, Symbols, TaskAnswer
from seq.tasks.base import Outputs, Stretch, Task
from seq.tasks.predictions import SequencePrediction, TaskPrediction, read_answer

if TYPE_CHECKING:
    import numpy as np

    from seq.tasks.statistics import Statistic

# A CTC peak stands for a symbol that reaches at most this far to either side of it.
REACH_SECONDS = 0.1


class SequenceTask(Task):
    """Symbols in order; the head gives log probabilities for every frame."""

    kind: ClassVar[str] = "sequence"

    def size(self, outputs: Outputs) -> int:
        return len(outputs.labels)

    def about(self, outputs: Outputs) -> str:
        return f"{len(outputs.labels) - 1} symbols, and the blank of CTC"

    def answer(self, numbers: np.ndarray, outputs: Outputs, stretch: Stretch, temperature: float = 1.0) -> Symbols:
        """Best path of (T', V) log probabilities, each symbol from half way to its neighbours, at most 0.1 s off."""
        import numpy as np

        best = numbers.argmax(axis=-1)
        changes = np.flatnonzero(np.diff(best, prepend=-1))
        shift, start, end = stretch.frame_seconds, stretch.start, stretch.end
        runs = [
            (int(best[a]), start + a * shift, min(start + b * shift, end))
            for a, b in zip(changes, [*changes[1:], len(best)], strict=True)
            if best[a] != 0
        ]
        found = []
        for i, (token, first, last) in enumerate(runs):
            before = (runs[i - 1][2] + first) / 2 if i else start
            after = (last + runs[i + 1][1]) / 2 if i + 1 < len(runs) else end
            reach = (max(before, first - REACH_SECONDS), min(after, last + REACH_SECONDS))
            found.append(Phone(outputs.labels[token], *reach))
        return Symbols(found)

    def merge(self, answers: Sequence[TaskAnswer], parts: Sequence[tuple[float, float]], outputs: Outputs) -> Symbols:
        """The symbols of every stretch whose middle lies in the part of it that counts."""
        return Symbols(
            symbol
            for answer, (start, end) in zip(cast("Sequence[Symbols]", answers), parts, strict=True)
            for symbol in answer
            if start <= (symbol.start + symbol.end) / 2 < end
        )

    def cells(self, answer: TaskAnswer | None) -> list[str]:
        return [" ".join(symbol.phone for symbol in answer) if isinstance(answer, Symbols) else ""]

    def cell(self, answer: TaskAnswer | None) -> str:
        return self.cells(answer)[0]

    def parse(self, data: Any) -> SequencePrediction:
        return read_answer(data, SequencePrediction, self.name)

    def problem(self, row: TaskPrediction, ref: Any, outputs: Outputs, protocol: str) -> str | None:
        """Nothing: references come from the file, since the lang folder, which has them, is no input of scoring."""
        del row, ref, outputs, protocol
        return None

    def statistic(self, rows: Sequence[TaskPrediction], speakers: Sequence[str], outputs: Outputs) -> Statistic:
        from seq.tasks.statistics import SymbolErrors

        return SymbolErrors([row.ref for row in rows], [row.hyp for row in rows], speakers)

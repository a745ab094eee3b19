"""Outcomes as JSON lines, CSV, or a table for the eye."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from seq.runtime.batch import Outcome
from seq.runtime.results import Answer, Catalogue, to_plain
from seq.tasks.answers import Category, Symbols

FORMATS = ("json", "csv", "table")
_PATH_WIDTH = 40
_LAST = ("doubts", "band", "description")


class Writer:
    """Writes outcomes to a text stream in one of FORMATS; every outcome is flushed.

    `with_head` is off where the stream goes on with one that has what stands above the outcomes.
    """

    def __init__(self, stream: TextIO, form: str, catalogue: Catalogue, with_head: bool = True) -> None:
        self._stream = stream
        self._tasks, self._main, self._judged = catalogue.shown(), catalogue.main, catalogue.judged
        # Classes of the main category, whose probabilities have columns of CSV.
        self._labels = catalogue.outputs[catalogue.main].labels if catalogue.main else ()
        writers: dict[str, Callable[[Outcome, bool], None]] = {
            "json": self._write_json,
            "csv": self._write_csv,
            "table": self._write_table,
        }
        self._write = writers[form]
        if form == "csv" and with_head:
            probs = [f"p_{name}" for name in self._labels]
            times = ["start", "end", "duration"]
            self._row(["id", "path", "part", *times, *self._columns(), *probs, *_LAST, "error"])
        elif form == "table" and with_head:
            self._line(self._table_row("recording", "seconds", {task.name: task.called for task in self._tasks}))

    def _columns(self) -> list[str]:
        columns = []
        for task in self._tasks:
            columns += [*task.csv_columns, *(["uncertain"] if task.name == self._judged else [])]
        return columns if self._judged else ["uncertain", *columns]

    def write(self, outcome: Outcome, partial: bool = False) -> None:
        """Write one outcome; `partial` marks an estimate of a stream that goes on."""
        self._write(outcome, partial)
        self._stream.flush()

    def _write_json(self, outcome: Outcome, partial: bool) -> None:
        row: dict[str, Any] = {"id": utf8(outcome.item.id)} if outcome.item.id is not None else {}
        row["path"] = utf8(outcome.item.path)
        if partial:
            row["partial"] = True
        if outcome.result is None or not outcome.result.windows:
            row |= outcome.result.to_dict() if outcome.result else {"error": utf8(outcome.error or "")}
            self._line(json.dumps(row, ensure_ascii=False))
            return
        # The dictionaries of hours of windows would be larger than all else in memory: piece by piece.
        for key, value in outcome.result.to_row().items():
            row[key] = _OneByOne(value) if isinstance(value, tuple | Symbols) else to_plain(value)
        for text in json.JSONEncoder(ensure_ascii=False).iterencode(row):
            self._stream.write(text)
        self._line("")

    def _write_csv(self, outcome: Outcome, partial: bool) -> None:
        name = [utf8(outcome.item.id or ""), utf8(outcome.item.path)]
        result = outcome.result
        if result is None:
            empty = [""] * (4 + len(self._columns()) + len(self._labels) + len(_LAST))
            self._row([*name, *empty, utf8(outcome.error or "")])
            return
        rows: list[tuple[str, Answer]] = [("partial" if partial else "recording", result)]
        rows += [("window", window) for window in result.windows]
        for part, answer in rows:
            duration = result.duration if answer is result else answer.end - answer.start
            times = [f"{value:.3f}" for value in (answer.start, answer.end, duration)]
            words = (result.description or "") if answer is result else ""
            self._row(
                [*name, part, *times, *self._cells(answer), "; ".join(answer.doubts), answer.band or "", words, ""]
            )

    def _write_table(self, outcome: Outcome, partial: bool) -> None:
        path = _printable(outcome.item.id or outcome.item.path)
        if outcome.result is None:
            self._line(f"{_shorten(path)}  error: {_printable(outcome.error or '')}")
            return
        self._line(self._answer_row(path, outcome.result.duration, outcome.result))
        for window in outcome.result.windows:
            self._line(self._answer_row(f"  {_clock(window.start)}", window.end - window.start, window))
        if outcome.result.description:
            self._line(f"  {outcome.result.description}")

    def _cells(self, answer: Answer) -> list[str]:
        doubt = "" if answer.uncertain is None else str(answer.uncertain).lower()
        cells = []
        for task in self._tasks:
            cells += [*task.cells(answer.tasks.get(task.name)), *([doubt] if task.name == self._judged else [])]
        main = answer.tasks[self._main] if self._main else None
        probs = [f"{main.probs[name]:.4f}" for name in self._labels] if isinstance(main, Category) else []
        return [*([] if self._judged else [doubt]), *cells, *probs]

    def _answer_row(self, name: str, seconds: float, answer: Answer) -> str:
        cells = {task.name: task.cell(answer.tasks.get(task.name)) for task in self._tasks}
        if answer.uncertain and self._main:
            cells[self._main] += " ?"
        return self._table_row(name, f"{seconds:.2f}", cells)

    def _table_row(self, name: str, seconds: str, cells: dict[str, str]) -> str:
        # Symbols come last: nobody knows how many there are.
        tasks = sorted(self._tasks, key=lambda task: task.kind == "sequence")
        row = [_shorten(name), f"{seconds:>8}", *(f"{cells[task.name]:<{task.width}}" for task in tasks)]
        return "  ".join(row).rstrip()

    def _row(self, cells: list[str]) -> None:
        # The end of a line decides what is quoted: with this one, a carriage return in a name is, too.
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerow(cells)
        self._line(text.getvalue().removesuffix("\r\n"))

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")


class _OneByOne(list[Any]):
    """A list for the encoder of JSON, whose items become plain when they are written."""

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__()
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return map(to_plain, self._items)


def utf8(text: str) -> str:
    """Without what no UTF-8 can hold: names of files may be any bytes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _printable(text: str) -> str:
    """For the eye: control characters could move the cursor of a terminal."""
    return "".join(char if char.isprintable() else "?" for char in utf8(text))


def _shorten(name: str) -> str:
    return f"{name if len(name) <= _PATH_WIDTH else '…' + name[1 - _PATH_WIDTH :]:<{_PATH_WIDTH}}"


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02d}:{seconds % 60:06.3f}"

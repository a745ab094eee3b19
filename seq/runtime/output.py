"""Outcomes as JSON lines, CSV, or a table for the eye."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from typing import Any, TextIO

from seq.runtime.batch import Outcome
from seq.runtime.results import Answer

FORMATS = ("json", "csv", "table")
_COLUMNS = ("emotion", "confidence", "uncertain", "intensity", "level", "gender", "gender_confidence", "phones")
_PATH_WIDTH = 40


class Writer:
    """Writes outcomes to a text stream in one of FORMATS; every outcome is flushed."""

    def __init__(self, stream: TextIO, form: str, emotions: list[str]) -> None:
        self._stream = stream
        self._emotions = emotions
        self._csv = csv.writer(stream, lineterminator="\n")
        writers: dict[str, Callable[[Outcome, bool], None]] = {
            "json": self._write_json,
            "csv": self._write_csv,
            "table": self._write_table,
        }
        self._write = writers[form]
        if form == "csv":
            probs = [f"p_{name}" for name in emotions]
            self._csv.writerow(
                ["id", "path", "part", "start", "end", "duration", *_COLUMNS, *probs, "description", "error"]
            )
        elif form == "table":
            self._line(_table_row("recording", "seconds", "emotion", "intensity", "gender", "phones"))

    def write(self, outcome: Outcome, partial: bool = False) -> None:
        """Write one outcome; `partial` marks an estimate of a stream that goes on."""
        self._write(outcome, partial)
        self._stream.flush()

    def _write_json(self, outcome: Outcome, partial: bool) -> None:
        row: dict[str, Any] = {"id": outcome.item.id} if outcome.item.id is not None else {}
        row["path"] = _utf8(outcome.item.path)
        if partial:
            row["partial"] = True
        row |= outcome.result.to_dict() if outcome.result else {"error": _utf8(outcome.error or "")}
        self._line(json.dumps(row, ensure_ascii=False))

    def _write_csv(self, outcome: Outcome, partial: bool) -> None:
        name = [outcome.item.id or "", _utf8(outcome.item.path)]
        result = outcome.result
        if result is None:
            empty = [""] * (5 + len(_COLUMNS) + len(self._emotions))
            self._csv.writerow([*name, *empty, _utf8(outcome.error or "")])
            return
        rows: list[tuple[str, Answer]] = [("partial" if partial else "recording", result)]
        rows += [("window", window) for window in result.windows]
        for part, answer in rows:
            duration = result.duration if answer is result else answer.end - answer.start
            times = [f"{value:.3f}" for value in (answer.start, answer.end, duration)]
            words = (result.description or "") if answer is result else ""
            self._csv.writerow([*name, part, *times, *_cells(answer, self._emotions), words, ""])

    def _write_table(self, outcome: Outcome, partial: bool) -> None:
        path = _printable(outcome.item.id or outcome.item.path)
        if outcome.result is None:
            self._line(f"{_shorten(path)}  error: {_printable(outcome.error or '')}")
            return
        self._line(_answer_row(path, outcome.result.duration, outcome.result))
        for window in outcome.result.windows:
            self._line(_answer_row(f"  {_clock(window.start)}", window.end - window.start, window))
        if outcome.result.description:
            self._line(f"  {outcome.result.description}")

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")


def _utf8(text: str) -> str:
    """Without what no UTF-8 can hold: names of files may be any bytes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _printable(text: str) -> str:
    """For the eye: control characters could move the cursor of a terminal."""
    return "".join(char if char.isprintable() else "?" for char in _utf8(text))


def _cells(answer: Answer, emotions: list[str]) -> list[Any]:
    emotion, intensity, gender = answer.emotion, answer.intensity, answer.gender
    return [
        emotion.label if emotion else "",
        f"{emotion.confidence:.4f}" if emotion else "",
        "" if answer.uncertain is None else str(answer.uncertain).lower(),
        f"{intensity.value:.4f}" if intensity else "",
        intensity.level if intensity else "",
        gender.label if gender else "",
        f"{gender.confidence:.4f}" if gender else "",
        " ".join(phone.phone for phone in answer.phones or ()),
        *(f"{emotion.probs[name]:.4f}" if emotion else "" for name in emotions),
    ]


def _answer_row(name: str, seconds: float, answer: Answer) -> str:
    emotion = f"{answer.emotion.label} {answer.emotion.confidence:.0%}" if answer.emotion else "-"
    intensity = f"{answer.intensity.value:.2f} {answer.intensity.level}" if answer.intensity else "-"
    phones = " ".join(phone.phone for phone in answer.phones or ())
    gender = answer.gender.label if answer.gender else "-"
    return _table_row(name, f"{seconds:.2f}", emotion + (" ?" if answer.uncertain else ""), intensity, gender, phones)


def _table_row(name: str, seconds: str, emotion: str, intensity: str, gender: str, phones: str) -> str:
    row = f"{_shorten(name)}  {seconds:>8}  {emotion:<16}  {intensity:<14}  {gender:<6}  {phones}"
    return row.rstrip()


def _shorten(name: str) -> str:
    return f"{name if len(name) <= _PATH_WIDTH else '…' + name[1 - _PATH_WIDTH :]:<{_PATH_WIDTH}}"


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02d}:{seconds % 60:06.3f}"

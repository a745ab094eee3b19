"""Who sounded how, and when: `--segments FILE`, as RTTM, CSV or labels of Audacity.

A segment is what is judged alike without a break: windows that follow one another with the same main category are one,
whose answer is their mean over time, and where a pause was heard it ends.
"""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import quote

from seq.errors import InputError
from seq.runtime.batch import Outcome
from seq.runtime.doubts import merge_sounds
from seq.runtime.engine import Engine
from seq.runtime.inputs import Item
from seq.runtime.recording import own_parts
from seq.runtime.results import Answer, Catalogue, Result
from seq.tasks.answers import Category
from seq.utils.files import atomic_path, remove_leftovers_of

RTTM, CSV, AUDACITY = ".rttm", ".csv", ".txt"
# Seconds: windows that meet, meet exactly but for rounding of floats.
_TOUCHING: Final = 1e-6
# The times of a file, in ms: what ends where the next begins does so in the file.
_DIGITS: Final = 3


def segments(result: Result, engine: Engine) -> list[Answer]:
    """The segments of a recording, in order. The model has a main category."""
    main = engine.catalogue.main
    assert main is not None
    windows = result.windows or (result,)
    parts = own_parts(windows)
    groups: list[list[int]] = []
    for i, window in enumerate(windows):
        last = groups[-1][-1] if groups else None
        touches = last is not None and parts[i][0] - parts[last][1] <= _TOUCHING
        if last is not None and touches and _said(window, main).label == _said(windows[last], main).label:
            groups[-1].append(i)
        else:
            groups.append([i])
    return [_merged([windows[i] for i in group], [parts[i] for i in group], engine) for group in groups]


def check_segments_file(path: Path) -> None:
    """Raises InputError where `path` has none of the endings."""
    if path.suffix.lower() not in _WRITERS:
        raise InputError(f"--segments {path} ends in none of {', '.join(_WRITERS)} (RTTM, CSV, Audacity): name it so")


@contextlib.contextmanager
def open_segments(path: Path | None, engine: Engine) -> Iterator[Callable[[Outcome], None]]:
    """Yield what takes every final outcome, and writes its segments; the file is there when all are. None writes none.

    Raises:
        InputError: the model has no category, or a second recording comes where only one can be told.
    """
    if path is None:
        yield lambda outcome: None
        return
    if engine.catalogue.main is None:
        raise InputError(
            "--segments needs a model that answers with categories, such as emotion, and this one does not"
        )
    remove_leftovers_of(path)
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", errors="replace", newline="") as stream:
        write = _WRITERS[path.suffix.lower()](stream, engine.catalogue)

        def take(outcome: Outcome) -> None:
            write(outcome.item, segments(outcome.result, engine) if outcome.result else [])

        yield take


def _merged(windows: list[Answer], parts: list[tuple[float, float]], engine: Engine) -> Answer:
    tasks = engine.merge(windows, parts)
    start, end = parts[0][0], parts[-1][1]
    sound = merge_sounds([window.sound for window in windows], parts)
    return Answer(start, end, engine.doubts(tasks, end - start, sound), tasks, engine.catalogue, sound)


def _said(answer: Answer, main: str) -> Category:
    found = answer.tasks[main]
    assert isinstance(found, Category)
    return found


_Write = Callable[[Item, list[Answer]], None]


def _rttm(stream: TextIO, catalogue: Catalogue) -> _Write:
    """NIST's RTTM (Rich Transcription 2009): the category where diarization has the speaker's name."""

    def write(item: Item, found: list[Answer]) -> None:
        for answer in found:
            said = _said(answer, catalogue.main or "")
            start, end = _times(answer)
            name, label = (_word(text) for text in (item.id or item.path, said.label))
            times = f"{start:.{_DIGITS}f} {end - start:.{_DIGITS}f}"
            stream.write(f"SPEAKER {name} 1 {times} <NA> <NA> {label} {said.confidence:.4f} <NA>\n")

    return write


def _csv(stream: TextIO, catalogue: Catalogue) -> _Write:
    """A row a segment, with the columns that `predict --format csv` has for every task but sequences."""
    tasks = [task for task in catalogue.tasks if task.kind != "sequence"]
    writer = csv.writer(stream, lineterminator="\r\n")
    columns = [column for task in tasks for column in task.csv_columns]
    writer.writerow(["id", "path", "start", "end", *columns, "uncertain"])

    def write(item: Item, found: list[Answer]) -> None:
        for answer in found:
            times = [f"{value:.{_DIGITS}f}" for value in _times(answer)]
            cells = [cell for task in tasks for cell in task.cells(answer.tasks[task.name])]
            writer.writerow([item.id or "", item.path, *times, *cells, str(answer.uncertain).lower()])

    return write


def _audacity(stream: TextIO, catalogue: Catalogue) -> _Write:
    """Audacity's label track: start, end and label, with tabs between; doubt is a question mark, as in the table."""
    first: list[Item] = []

    def write(item: Item, found: list[Answer]) -> None:
        if first:
            raise InputError(
                f"labels of Audacity belong to one recording, and {item.path} comes after {first[0].path}: "
                f"name a file that ends in {RTTM} or {CSV}, or predict them one by one"
            )
        first.append(item)
        for answer in found:
            start, end = _times(answer)
            doubt = " ?" if answer.uncertain else ""
            label = _said(answer, catalogue.main or "").label
            stream.write(f"{start:.{_DIGITS}f}\t{end:.{_DIGITS}f}\t{label}{doubt}\n")

    return write


_WRITERS: Final = {RTTM: _rttm, CSV: _csv, AUDACITY: _audacity}


def _times(answer: Answer) -> tuple[float, float]:
    return round(answer.start, _DIGITS), round(answer.end, _DIGITS)


def _word(text: str) -> str:
    """One word, as RTTM has them: blanks as in addresses, %20."""
    return re.sub(r"[\s%]", lambda found: quote(found[0]), text)

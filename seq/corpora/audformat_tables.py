"""A database in audformat (audeering's format: db.yaml, tables, audio) as a table in SEQD's form.

The library `audformat` reads it. Of every table that has the emotion's column it takes file, emotion and split; from
whatever table has them, speaker, gender, language and transcription, which may also be said of speakers as a whole.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from seq.corpora.seqd import COLUMNS, OPTIONAL
from seq.errors import InputError, name_some
from seq.labels import EMOTIONS
from seq.utils.files import write_text

HEADER: Final = "db.yaml"
SPLITS: Final = {"train": "train", "dev": "valid", "test": "test"}
_GENDERS: Final = {"female": "F", "male": "M"}
# ISO 639-3, as audformat writes languages, to what our texts are read by.
_LANGUAGES: Final = {"cmn": "zh", "zho": "zh", "eng": "en", "deu": "de", "pol": "pl"}
# By the name of a column, or of what a scheme says of its labels: the column of ours.
FACTS: Final = {"speaker": "speaker", "gender": "gender", "language": "language", "transcription": "text"}
_WRITTEN: Final = tuple(name for name in (*COLUMNS, *OPTIONAL) if name in {"path", "emotion", "split", *FACTS.values()})

# By file, and then by column of ours: a value, and the table that says it.
Cells = dict[str, dict[str, tuple[str, str]]]


def import_audformat(root: Path, column: str, out: Path) -> None:
    """Write the tables of the database at `root` to `out`.

    Args:
        column: that of the emotion.

    Raises:
        InputError: audformat is not installed, or cannot read it; no table has the column, or one is of parts of
            files; two tables contradict each other; or a file has no speaker.
    """
    database = _load(root)
    cells: Cells = {}
    tables = [(name, database.tables[name]) for name in sorted(database.tables)]
    labelled = [(name, table) for name, table in tables if column in table.columns]
    if not labelled:
        known = sorted({name for _, table in tables for name in table.columns})
        raise InputError(f"{root}: no table has the column {column}: choose with --column from {', '.join(known)}")
    for name, table in labelled:
        split = database.splits[table.split_id].type if table.split_id else ""
        for file, emotion in _values(table, name, table[column].get()):
            _put(cells, file, "emotion", emotion, name)
            _put(cells, file, "split", SPLITS.get(split, ""), name)
    files = set(cells)
    for name, table in tables:
        for fact, ours, series in _facts(database, table):
            for file, value in _values(table, name, series):
                if file in files:
                    _put(cells, file, ours, _translate(fact, value), name)
    if speechless := sorted(file for file in files if "speaker" not in cells[file]):
        raise InputError(f"{root}: {name_some(speechless, 3)} has no speaker: folds are made of speakers, so add them")
    _write(root, cells, out)


def _load(root: Path) -> Any:
    try:
        import audformat
    except ImportError as error:
        raise InputError("audformat is not installed: pip install 'audformat>=1.3'") from error
    if not (root / HEADER).is_file():
        raise InputError(f"{root} has no {HEADER}: name the folder of a database in audformat")
    # The library would read them first, and a pickle runs whatever is in it.
    if pickled := sorted(root.glob("*.pkl")):
        raise InputError(
            f"{pickled[0]} is a pickled copy of a table, which is not read: remove it; csv and parquet stay"
        )
    try:
        return audformat.Database.load(str(root))
    # A library of many parts, each with errors of its own.
    except Exception as error:
        raise InputError(f"audformat cannot read {root} ({error}): correct the database") from error


def _facts(database: Any, table: Any) -> Iterator[tuple[str, str, Any]]:
    """Those facts that a table says, by the name of a column or of what is known of its labels, with their values."""
    for name, column in table.columns.items():
        if name in FACTS:
            yield name, FACTS[name], _spelt_out(column)
        for fact in FACTS:
            if fact not in table.columns and column.scheme is not None and _is_said(database, column.scheme, fact):
                yield fact, FACTS[fact], column.get(map=fact)


def _is_said(database: Any, scheme: Any, fact: str) -> bool:
    """Whether something is known of the labels of a scheme, such as the gender of speakers."""
    if scheme.uses_table:
        return fact in database[scheme.labels].columns
    labels = scheme.labels
    return isinstance(labels, dict) and any(isinstance(about, dict) and fact in about for about in labels.values())


def _spelt_out(column: Any) -> Any:
    """The values of a column; where its labels are short for texts, the texts."""
    labels = None if column.scheme is None or column.scheme.uses_table else column.scheme.labels
    series = column.get()
    if isinstance(labels, dict) and labels and all(isinstance(text, str) for text in labels.values()):
        return series.astype(object).map(labels)
    return series


def _values(table: Any, name: str, series: Any) -> Iterator[tuple[str, str]]:
    """The files of a table, each with its value; those without one are left out."""
    known = series.dropna()
    for index, value in known.items():
        file, start, end = index if table.is_segmented else (index, None, None)
        if start is not None and (start.total_seconds() > 0 or end == end):
            raise InputError(
                f"table {name} is of parts of files, such as {file} from {start}: cut them into files first"
            )
        yield str(file), str(value)


def _translate(fact: str, value: str) -> str:
    if fact == "gender":
        return _GENDERS.get(value, "")
    return _LANGUAGES.get(value, value) if fact == "language" else value


def _put(cells: Cells, file: str, column: str, value: str, table: str) -> None:
    """Keep a value; a later one that says nothing changes nothing, and one that says otherwise is an error."""
    if not value:
        cells.setdefault(file, {})
        return
    first, where = cells.setdefault(file, {}).setdefault(column, (value, table))
    if first != value:
        raise InputError(f"{file} has the {column} {first!r} in table {where} and {value!r} in table {table}: keep one")


def _write(root: Path, cells: Cells, out: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_WRITTEN)
    for file, known in sorted(cells.items()):
        path = os.path.relpath(root / file, out.parent)
        writer.writerow([path if name == "path" else known.get(name, ("", ""))[0] for name in _WRITTEN])
    write_text(out, text.getvalue())
    words = sorted({known["emotion"][0] for known in cells.values() if "emotion" in known} - set(EMOTIONS))
    print(f"{out}: {len(cells)} files of {len({known['speaker'][0] for known in cells.values()})} speakers")
    if words:
        print(f"no categories of ours, to be mapped under corpus.emotions, or with --map: {', '.join(words)}")

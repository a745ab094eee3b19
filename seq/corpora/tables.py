"""Tables beside the audio of a corpus: two columns, or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from seq.corpora.texts import read_bytes
from seq.errors import InputError


def read_table(path: Path, required: bool = False) -> dict[str, str]:
    """Read `key<TAB>value` lines (UTF-8, blank lines skipped); a file that is absent and not required is empty.

    Raises:
        InputError: the file cannot be read or decoded, a line is not two fields, a key is repeated.
    """
    if not required and not path.exists():
        return {}
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 (byte {error.start}): convert it, for example with iconv -f gb18030 -t utf-8"
        ) from error
    table: dict[str, str] = {}
    given: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, _, value = (part.strip() for part in line.partition("\t"))
        if not key or not value:
            raise InputError(f"{path}, line {number}: expected id<TAB>text, not {line!r}")
        if key in table:
            raise InputError(f"{path}, lines {given[key]} and {number}: {key} is there twice: keep one")
        table[key], given[key] = value, number
    return table


class Row(NamedTuple):
    """A row of a CSV file: the number of its (last) line, and its values by column."""

    line: int
    cells: dict[str, str]


def read_csv(path: Path, columns: tuple[str, ...], delimiter: str = ",") -> list[Row]:
    """The rows of a CSV file (UTF-8) with a header, values stripped.

    Raises:
        InputError: the file cannot be read or decoded, lacks one of `columns` or has a column twice, or has a row of
            another length.
    """
    with _csv_lines(path) as lines:
        reader = csv.DictReader(lines, delimiter=delimiter)
        names = reader.fieldnames or ()
        missing = [name for name in columns if name not in names]
        if missing:
            raise InputError(f"{path} lacks the column {missing[0]}: its first line must name {', '.join(columns)}")
        # Spreadsheets leave columns without a name.
        if twice := [name for name in names if name and names.count(name) > 1]:
            raise InputError(f"{path} has the column {twice[0]} twice: keep one")
        rows = []
        for row in reader:
            if None in row or None in row.values():
                raise InputError(f"{path}, line {reader.line_num} has more or fewer fields than the first line")
            rows.append(Row(reader.line_num, {name: value.strip() for name, value in row.items()}))
        return rows


def read_keyed_csv(path: Path, key: str, columns: tuple[str, ...], delimiter: str = ",") -> dict[str, Row]:
    """The rows of a CSV file by the value of the column `key`.

    Raises:
        InputError: as `read_csv`, or two rows of one key differ in one of `columns`; both lines are named.
    """
    rows: dict[str, Row] = {}
    for row in read_csv(path, (key, *columns), delimiter):
        name = row.cells[key]
        first = rows.setdefault(name, row)
        if differing := next((column for column in columns if row.cells[column] != first.cells[column]), None):
            raise InputError(
                f"{path}, lines {first.line} and {row.line}: {name} has the {differing} {first.cells[differing]!r} and "
                f"{row.cells[differing]!r}: keep one"
            )
    return rows


def has_columns(path: Path, columns: tuple[str, ...]) -> bool:
    """Whether `path` is a CSV file whose header has all `columns`; not where there is no such file.

    Raises:
        InputError: there is one, and it cannot be read or decoded.
    """
    if not path.is_file():
        return False
    with _csv_lines(path) as lines:
        return set(columns) <= set(next(csv.reader(lines), []))


@contextmanager
def _csv_lines(path: Path) -> Iterator[TextIO]:
    """The text of the file; what goes wrong while it is read is a sentence."""
    try:
        yield io.StringIO(read_bytes(path).decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8: save it as UTF-8, for example with iconv -f gb18030 -t utf-8"
        ) from error
    except csv.Error as error:
        raise InputError(f"{path} is not CSV ({error}): convert it") from error

"""Tables beside the audio of a corpus: two columns, or CSV."""

from __future__ import annotations

import csv
from pathlib import Path

from seq.errors import InputError


def read_table(path: Path, required: bool = False) -> dict[str, str]:
    """Read `key<TAB>value` lines (UTF-8, blank lines skipped); a file that is absent and not required is empty.

    Raises:
        InputError: the file cannot be read or decoded, a line is not two fields, a key is repeated.
    """
    if not required and not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 (byte {error.start}): convert it, for example with iconv -f gb18030 -t utf-8"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): pass an existing file") from error
    table: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, _, value = (part.strip() for part in line.partition("\t"))
        if not key or not value:
            raise InputError(f"{path}, line {number}: expected id<TAB>text, not {line!r}")
        if key in table:
            raise InputError(f"{path}, line {number}: {key} was given before; keep one of the two lines")
        table[key] = value
    return table


def read_csv(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV file (UTF-8) with a header, values stripped.

    Raises:
        InputError: the file cannot be read or decoded, lacks one of `columns`, or has a row of another length.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path} lacks the column {missing[0]}: its first line must name {', '.join(columns)}")
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(f"{path}, line {reader.line_num} has more or fewer fields than the first line")
                rows.append({name: value.strip() for name, value in row.items()})
            return rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not CSV in UTF-8 ({error}): convert it") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): copy it from the corpus's page") from error


def has_columns(path: Path, columns: tuple[str, ...]) -> bool:
    """Whether `path` is a CSV file whose header has all `columns`."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return set(columns) <= set(next(csv.reader(file), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return False

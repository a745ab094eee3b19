"""Two-column tables beside the audio of a corpus."""

from __future__ import annotations

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

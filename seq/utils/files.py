"""Small files: written atomically, read with an error that names them.

A run that is killed leaves either the old file or the new one, never half of one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from seq.errors import InputError


@contextmanager
def name_in_errors(path: Path | str, temporary: Path | None = None) -> Iterator[None]:
    """Let an error of the system say `path` where it names no file, as a full disk does, or names `temporary`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)
        raise


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` and move it there on success; remove it on failure.

    The temporary name keeps the suffixes of `path` (Lhotse chooses gzip by `.gz`). Folders are created.

    Raises:
        OSError: what the system says, naming `path` where it names no file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.tmp.{path.name}")
    try:
        with name_in_errors(path, temporary):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, obj: Any) -> None:
    """Write `obj` as indented JSON atomically, keys in insertion order."""
    write_text(path, json.dumps(obj, indent=2, ensure_ascii=False) + "\n")


def update_json(path: Path | str, obj: Any) -> None:
    """Write `obj` as `write_json` does, unless the file holds it: its time says when its content last changed."""
    text = json.dumps(obj, indent=2, ensure_ascii=False) + "\n"
    try:
        unchanged = Path(path).read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        unchanged = False
    if not unchanged:
        write_text(path, text)


def read_json(path: Path | str) -> Any:
    """Read a JSON file. Raises InputError, naming the file, where it is missing or broken."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): run the stage that writes it first") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): delete it and run the stage that writes it") from error


def _open_text(path: Path, mode: str, name: str) -> IO[str]:
    if name.endswith(".gz"):
        return cast(IO[str], gzip.open(path, mode + "t", encoding="utf-8"))
    return open(path, mode, encoding="utf-8")


@contextmanager
def jsonl_writer(path: Path | str) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield what writes a row; the file is there, whole, when the block ends well. Gzip for a name in `.gz`."""
    with atomic_path(path) as temporary, _open_text(temporary, "w", Path(path).name) as lines:
        yield lambda row: print(json.dumps(row, ensure_ascii=False), file=lines)


def write_jsonl(path: Path | str, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object per line, atomically and without holding the rows; gzip where the name ends in `.gz`."""
    with jsonl_writer(path) as write:
        for row in rows:
            write(row)


def read_jsonl(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file, gzip or not.

    Raises:
        InputError: the file is missing, or a line (which is named) is not JSON.
    """
    path = Path(path)
    try:
        with _open_text(path, "r", path.name) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except (ValueError, RecursionError) as error:
                        raise InputError(
                            f"{path}, line {number} is not valid JSON: run the stage that writes it again"
                        ) from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}): run the stage that writes it first") from error


def content_digest(*paths: Path) -> str:
    """SHA-256 of what gzipped files hold, one after the other: gzip writes the time into its header."""
    digest = hashlib.sha256()
    for path in paths:
        with gzip.open(path) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

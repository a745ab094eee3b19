"""Small files: written atomically, read with an error that names them.

A run that is killed leaves either the old file or the new one, never half of one.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, cast

from seq.errors import InputError
from seq.utils.process import is_running

_TEMPORARY: Final = re.compile(r"\.(\d+)\.tmp(\..*)?")

# Names that stand for open files, links to them though they are: what is open there is written to, not replaced.
_OPEN_FILES = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
_MAX_LINKS = 40
# A name has 255 bytes at most. A longer one than this has no room for what makes it a temporary one: its end does.
_MAX_NAME_BYTES = 230
_KEPT_CHARACTERS = 50


def written_place(path: Path) -> Path:
    """Where what is written to `path` goes: symbolic links of a file are followed, and stay.

    Raises:
        OSError: the links go in a circle.
    """
    place = path
    for _ in range(_MAX_LINKS):
        if os.path.abspath(place).startswith(_OPEN_FILES) or not place.is_symlink():
            return place
        place = place.parent / os.readlink(place)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def is_replaced(place: Path) -> bool:
    """Whether a file is replaced, or made, there: a device, a pipe, or what stands for an open file is written to."""
    return not os.path.abspath(place).startswith(_OPEN_FILES) and (place.is_file() or not place.exists())


@contextmanager
def name_in_errors(path: Path | str, temporary: Path | None = None) -> Iterator[None]:
    """Let an error of the system say `path` where it names no file, as a full disk does, or names `temporary`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, temporary, str(temporary)):
            error.filename = str(path)
        raise


def temporary_beside(path: Path, mark: str = "") -> Path:
    """Where this process writes what will be `path`, or, of a `mark`, whichever process goes on with it.

    The name keeps the suffixes (Lhotse chooses gzip by `.gz`).
    """
    name = path.name if len(os.fsencode(path.name)) <= _MAX_NAME_BYTES else path.name[-_KEPT_CHARACTERS:]
    return path.with_name(f".{mark or f'{os.getpid()}.tmp'}.{name}")


def remove_leftovers(folder: Path) -> None:
    """Delete from a folder, and from those in it, what processes that were killed had not written to its end."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            found = _TEMPORARY.fullmatch(name)
            if found is None or is_running(int(found[1])):
                continue
            path = Path(parent, name)
            if name in files:
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path, ignore_errors=True)
                folders.remove(name)


def remove_leftovers_of(path: Path) -> None:
    """Delete what processes that were killed had written of the file `path`, and of no other one beside it."""
    place = written_place(path)
    ending = temporary_beside(place).name.removeprefix(f".{os.getpid()}")
    for other in place.parent.iterdir() if place.parent.is_dir() else ():
        found = _TEMPORARY.fullmatch(other.name)
        if found is not None and other.name == f".{found[1]}{ending}" and not is_running(int(found[1])):
            other.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` and move it there on success; remove it on failure.

    Folders are created. Where `path` is a symbolic link, what it points to is replaced; where it is a device or a pipe,
    it is yielded itself. Of a process that is killed the temporary path stays, until `remove_leftovers` is called.

    Raises:
        OSError: what the system says, naming `path` where it names no file.
    """
    path = written_place(Path(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not is_replaced(path):
        with name_in_errors(path):
            yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
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
    # Piece by piece: a fold may name a million utterances.
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False)
    with suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8", newline="") as file:
        if all(file.read(len(piece)) == piece for piece in encoder.iterencode(obj)) and file.read() == "\n":
            return
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        file.writelines(encoder.iterencode(obj))
        file.write("\n")


def read_whole(path: Path) -> str:
    """The text of a small file. Raises OSError, also for a pipe or a device: these are waited for, or have no end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))
    return path.read_text(encoding="utf-8")


def read_json(path: Path | str) -> Any:
    """Read a JSON file. Raises InputError, naming the file, where it is missing or broken."""
    path = Path(path)
    try:
        return json.loads(read_whole(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): run the stage that writes it first") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): delete it and run the stage that writes it") from error


def _open_text(path: Path, mode: str, name: str, errors: str = "strict") -> IO[str]:
    if name.endswith(".gz"):
        return cast(IO[str], gzip.open(path, mode + "t", encoding="utf-8", errors=errors, newline="\n"))
    return open(path, mode, encoding="utf-8", errors=errors, newline="\n")


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
    return (row for _, row in read_numbered_jsonl(path))


def read_numbered_jsonl(path: Path | str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same, each with the number of its line."""
    for number, line in text_lines(path):
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number} is not valid JSON: run the stage that writes it again") from error


def text_lines(
    path: Path | str, errors: str = "strict", remedy: str = "run the stage that writes it first"
) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text, gzip or not, with their numbers from 1; empty ones are passed over.

    Args:
        errors: what becomes of bytes that are not UTF-8, as `open` has it.
        remedy: what to do about a file that cannot be read.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = Path(path)
    try:
        with _open_text(path, "r", path.name, errors) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}): {remedy}") from error


def leads_upwards(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link to a folder that it lies in, as one to / is: who follows it leaves, and comes back."""
    if not entry.is_symlink():
        return False
    here, target = os.path.realpath(os.path.dirname(entry.path)), os.path.realpath(entry.path)
    return os.path.commonpath([here, target]) == target


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

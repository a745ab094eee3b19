"""What the user names on the command line, as a list of recordings: files, folders, wav.scp, Lhotse manifests."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seq.errors import InputError
from seq.utils.files import text_lines

# Files with these suffixes are taken from a folder; a file that is named itself may have any. The last ones
# need PyAV (`seq.audio.other_formats`): without it they get their line, which says so.
_SUFFIXES = {
    *(
        "wav",
        "wave",
        "flac",
        "ogg",
        "oga",
        "opus",
        "mp3",
        "aif",
        "aiff",
        "aifc",
        "au",
        "snd",
        "caf",
        "w64",
        "rf64",
        "sph",
    ),
    *("m4a", "m4b", "aac", "wma", "amr", "mka", "webm", "mp4", "m4v", "mov", "3gp", "mkv", "avi", "wmv", "flv"),
}
_MANIFEST_SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Item:
    """One recording to be judged, or why it cannot be."""

    path: str
    id: str | None = None
    # The part of the file, in seconds; None is up to its end.
    start: float = 0.0
    duration: float | None = None
    error: str | None = None


def expand(paths: list[str]) -> Iterator[Item]:
    """The recordings that the paths stand for, in their order; folders are walked in the order of names.

    Nothing is opened but lists. What is wrong with a path or with a line of a list becomes an item with `error`.
    """
    for path in paths:
        try:
            yield from _expand(path)
        except InputError as error:
            yield Item(path, error=str(error))


def _expand(path: str) -> Iterator[Item]:
    if os.path.isdir(path):
        yield from _folder(path)
    elif path.endswith(".scp"):
        yield from _listed(path, _scp_item)
    elif path.endswith(_MANIFEST_SUFFIXES):
        yield from _listed(path, _manifest_item)
    else:
        yield Item(path)


def _folder(folder: str) -> Iterator[Item]:
    unreadable: list[OSError] = []
    found = False
    for parent, folders, files in os.walk(folder, onerror=unreadable.append):
        folders.sort()
        for name in sorted(files):
            if name.rpartition(".")[2].lower() in _SUFFIXES and not name.startswith("."):
                found = True
                yield Item(os.path.join(parent, name))
    for error in unreadable:
        yield Item(
            str(error.filename), error=f"{error.filename} cannot be read ({error.strerror}): change its permissions"
        )
    if not found and not unreadable:
        raise InputError(f"{folder} has no audio files: name another folder, or the files themselves")


def _listed(path: str, item: Callable[[str], Item]) -> Iterator[Item]:
    """A recording per line of a list; `item` reads one, and raises what is wrong with it."""
    found = False
    # Names of files may be any bytes.
    for number, line in text_lines(path, errors="surrogateescape", remedy="check its name, or write it again"):
        found = True
        try:
            yield item(line)
        except _BadLine as error:
            yield Item(path, error.id, error=f"{path}, line {number} {error}")
    if not found:
        raise InputError(f"{path} is empty: it should have a line for each recording")


class _BadLine(Exception):
    """What is wrong with a line, which may have an id all the same."""

    def __init__(self, sentence: str, id: str | None = None) -> None:
        super().__init__(sentence)
        self.id = id


def _scp_item(line: str) -> Item:
    """Kaldi's wav.scp: "id path"; its commands ("id sph2pipe ... |") are not run."""
    name, *rest = line.split(maxsplit=1)
    if not rest:
        raise _BadLine("is not of the form 'id path'", name)
    source = rest[0].rstrip()
    if source.endswith("|"):
        raise _BadLine("is a command, which is not run: write its audio to a file first", name)
    return Item(source, name)


def _manifest_item(line: str) -> Item:
    """A recording or a cut of Lhotse."""
    name: str | None = None
    try:
        row = json.loads(line)
        name = str(row["id"])
        recording = row.get("recording") or row
        source = recording["sources"][0]
        kind, audio = str(source["type"]), os.fspath(Path(source["source"]))
        start, duration = (float(row["start"]), float(row["duration"])) if "recording" in row else (0.0, None)
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError):
        raise _BadLine(f"{f'({name}) ' if name else ''}is neither a recording nor a cut of Lhotse", name) from None
    if kind != "file":
        raise _BadLine(f"({name}) has a source of type {kind}: only files are read", name)
    if not 0 <= start < math.inf or not (duration is None or 0 < duration < math.inf):
        raise _BadLine(f"({name}) begins at {start:.10g} s and lasts {duration:.10g} s: check its times", name)
    return Item(audio, name, start, duration)

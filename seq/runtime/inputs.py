"""What the user names on the command line, as a list of recordings: files, folders, wav.scp, Lhotse manifests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq.errors import InputError
from seq.utils.files import read_jsonl

# Files with these suffixes are taken from a folder; a file that is named itself may have any. The last six are
# recordings that libsndfile cannot read: they get their line, which says so.
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
    *("m4a", "aac", "wma", "amr", "webm", "mp4"),
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
        yield from _scp(path)
    elif path.endswith(_MANIFEST_SUFFIXES):
        for row in read_jsonl(path):
            yield _manifest_row(path, row)
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


def _scp(path: str) -> Iterator[Item]:
    """Kaldi's wav.scp: "id path" per line; its commands ("id sph2pipe ... |") are not run."""
    try:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                fields = line.split(maxsplit=1)
                if not fields:
                    continue
                if len(fields) == 1:
                    yield Item(path, fields[0], error=f"{path}, line {number}: expected 'id path'")
                elif fields[1].rstrip().endswith("|"):
                    message = f"{path}, line {number} is a command, which is not run: write its audio to a file first"
                    yield Item(path, fields[0], error=message)
                else:
                    yield Item(fields[1].rstrip("\n").rstrip(), fields[0])
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a list of recordings ({error})") from error


def _manifest_row(path: str, row: Any) -> Item:
    """A line of Lhotse's recordings or cuts."""
    try:
        recording = row.get("recording") or row
        source = recording["sources"][0]
        name = str(row["id"])
        if source["type"] != "file":
            return Item(path, name, error=f"{path}: {name} is of source type {source['type']}: only files are read")
        if "recording" in row:
            return Item(str(Path(source["source"])), name, float(row["start"]), float(row["duration"]))
        return Item(str(Path(source["source"])), name)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        given = row.get("id") if isinstance(row, dict) else None
        return Item(path, given, error=f"{path}: {given or 'a line'} is neither a recording nor a cut of Lhotse")

"""Finding one's way in the folders of a corpus."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from seq.corpora.base import AUDIO_SUFFIXES
from seq.errors import InputError
from seq.utils.files import leads_upwards

# How many levels below --corpus-dir a corpus is looked for: data disk, corpus, release, tree.
MAX_DEPTH = 3


def find_below(corpus_dir: Path, is_root: Callable[[Path], bool], expected: str) -> Path:
    """The root of a corpus: `corpus_dir`, or the one folder up to `MAX_DEPTH` levels below it, the nearest level first.

    Hidden folders are not looked into, nor those that may not be read, nor links to a folder that they lie in; and no
    folder twice, however many links lead to it.

    Args:
        expected: what a root holds, for the message, such as "folders Session1 to Session5".

    Raises:
        InputError: there is no such folder, or there are several on one level.
    """
    if not corpus_dir.is_dir():
        raise InputError(f"--corpus-dir {corpus_dir} is not a folder: pass the folder that has {expected}")
    level, seen = [corpus_dir], {_identity(corpus_dir)}
    for depth in range(MAX_DEPTH + 1):
        roots = [folder for folder in level if is_root(folder)]
        if len(roots) > 1:
            both = f"{roots[0]} and {roots[1]}"
            raise InputError(f"--corpus-dir {corpus_dir} is ambiguous: {both} both have {expected}; pass one of them")
        if roots:
            return roots[0]
        if depth < MAX_DEPTH:
            level = [below for folder in level for below in _unseen_folders(folder, seen)]
    raise InputError(f"--corpus-dir {corpus_dir} has no {expected}: pass the folder that has")


def _unseen_folders(folder: Path, seen: set[tuple[int, int]]) -> list[Path]:
    """The folders in `folder` that may be read and are not in `seen`, which learns them."""
    found = []
    for below in folders(folder):
        identity = _identity(below)
        if identity not in seen and os.access(below, os.R_OK | os.X_OK):
            seen.add(identity)
            found.append(below)
    return found


def _identity(folder: Path) -> tuple[int, int]:
    """What a folder has in common with links to it."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def folders(folder: Path) -> list[Path]:
    """The folders in `folder`, sorted; hidden ones do not count, nor links out of it to a folder above."""
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        return sorted(Path(entry.path) for entry in found if not leads_upwards(entry))


def child(folder: Path, path: str) -> Path:
    """What lies at `path` in `folder`, in whatever case copying has left the names; `folder / path` where nothing does.

    Raises:
        InputError: two names differ in case only.
    """
    for name in path.split("/"):
        found = (
            sorted(entry.name for entry in folder.iterdir() if entry.name.lower() == name.lower())
            if folder.is_dir()
            else []
        )
        if len(found) > 1:
            raise InputError(f"{folder} has {found[0]} and {found[1]}, which differ in case only: put them together")
        folder = folder / (found[0] if found else name)
    return folder


def audio_files(folder: Path, suffixes: tuple[str, ...] = AUDIO_SUFFIXES) -> list[Path]:
    """The audio anywhere below `folder`, sorted; hidden files (macOS's ._201.wav, half-written ones) do not count."""
    found: list[Path] = []
    for base, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [Path(base, n) for n in names if not n.startswith(".") and os.path.splitext(n)[1].lower() in suffixes]
    return sorted(found)

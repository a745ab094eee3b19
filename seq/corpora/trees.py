"""Finding one's way in the folders of a corpus."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from seq.corpora.base import AUDIO_SUFFIXES
from seq.errors import InputError


def find_below(corpus_dir: Path, is_root: Callable[[Path], bool], expected: str) -> Path:
    """`corpus_dir`, or the first folder in it, that is the root of a corpus.

    Args:
        expected: what a root holds, for the message, such as "folders Session1 to Session5".

    Raises:
        InputError: there is no such folder.
    """
    if not corpus_dir.is_dir():
        raise InputError(f"--corpus-dir {corpus_dir} is not a folder: pass the folder that has {expected}")
    for candidate in [corpus_dir, *folders(corpus_dir)]:
        if is_root(candidate):
            return candidate
    raise InputError(f"--corpus-dir {corpus_dir} has no {expected}: pass the folder that has")


def folders(folder: Path) -> list[Path]:
    """The folders in `folder`, sorted; hidden ones do not count."""
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def audio_files(folder: Path, suffixes: tuple[str, ...] = AUDIO_SUFFIXES) -> list[Path]:
    """The audio anywhere below `folder`, sorted; hidden files (macOS's ._201.wav, half-written ones) do not count."""
    found: list[Path] = []
    for base, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [Path(base, n) for n in names if not n.startswith(".") and os.path.splitext(n)[1].lower() in suffixes]
    return sorted(found)

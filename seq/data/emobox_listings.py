"""EmoBox's listings (emo-box/EmoBox, `data/<corpus>/fold_<k>/`), read and checked.

A listing is a file of JSON lines, one for each utterance of one part of one fold: `ravdess_test_fold_1.jsonl`, with
`key`, `dataset` and `wav`, the path below the folder of all corpora.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from seq.data.fold_checks import PARTS
from seq.errors import InputError
from seq.utils.files import read_numbered_jsonl

# emodb_test_fold1.jsonl is an older form, in which the path is `audio`.
_FILE: Final = re.compile(r"\w+?_(train|valid|test)_fold_?(\d+)\.jsonl")
_PATH_KEYS: Final = ("wav", "audio")


class Entry(NamedTuple):
    """A line of a listing: its utterance's key and path, and where it stands."""

    key: str
    path: str
    where: str


# By fold and part.
Listings = dict[int, dict[str, list[Entry]]]


def read_listings(paths: Sequence[Path]) -> tuple[str, Listings]:
    """The corpus that listings are of, and their lines.

    Raises:
        InputError: a file is none of EmoBox's listings, or they are of several corpora; a fold has no test, or has a
            part twice; or an utterance is twice in a fold, or in the test parts of two (both lines are named).
    """
    listings: Listings = {}
    file_of: dict[tuple[int, str], Path] = {}
    corpora: dict[str, Path] = {}
    for path in paths:
        if (match := _FILE.fullmatch(path.name)) is None:
            raise InputError(f"{path} is not named as EmoBox's listings (ravdess_test_fold_1.jsonl): pass those")
        part, fold = match[1], int(match[2])
        first = file_of.setdefault((fold, part), path)
        if first != path:
            raise InputError(f"{first} and {path} are both {part} of fold {fold}: pass one")
        entries = listings.setdefault(fold, {})[part] = []
        for number, row in read_numbered_jsonl(path):
            where = f"{path}, line {number}"
            found = [row.get(name) for name in ("key", "dataset")]
            audio = next((row[name] for name in _PATH_KEYS if name in row), None)
            if not all(isinstance(value, str) and value for value in (*found, audio)):
                raise InputError(f"{where} has no key, dataset and wav: it is not a line of EmoBox's, copy it again")
            corpora.setdefault(str(found[1]), path)
            entries.append(Entry(str(found[0]), str(audio), where))
    if len(corpora) != 1:
        named = " and ".join(f"{path} of {name}" for name, path in corpora.items()) or "nothing is listed"
        raise InputError(f"listings of one corpus make a protocol, not {named}: pass those of one")
    _check(listings)
    return next(iter(corpora)), dict(sorted(listings.items()))


def _check(listings: Listings) -> None:
    if sorted(listings) != list(range(1, len(listings) + 1)):
        raise InputError(
            f"the listings are of the folds {', '.join(map(str, sorted(listings)))}: pass those of all folds, from 1"
        )
    tested: dict[str, Entry] = {}
    for fold, parts in listings.items():
        if not parts.get("test"):
            raise InputError(f"fold {fold} has no listing of test: pass its {', '.join(PARTS)} files together")
        seen: dict[str, tuple[str, Entry]] = {}
        for part, entries in parts.items():
            for entry in entries:
                other_part, other = seen.setdefault(entry.path, (part, entry))
                if other is not entry:
                    where = f"{other.where} ({other_part}), and {entry.where} ({part})"
                    raise InputError(f"fold {fold} has {entry.key} twice: {where}: remove one of the lines")
        for entry in parts["test"]:
            other = tested.setdefault(entry.path, entry)
            if other is not entry:
                raise InputError(
                    f"{entry.key} is tested twice: {other.where}, and {entry.where}: remove one of the lines"
                )

"""Utterances that are one recording under several ids: found by the samples, whatever the files are called."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable
from pathlib import Path

from seq.corpora.record import read_corpus_json
from seq.errors import InputError


def find_copies(utterances: Iterable[tuple[str, Hashable]]) -> list[list[str]]:
    """The ids of the utterances that sound alike, sample for sample: a list for every recording that has several.

    Args:
        utterances: (id, what only copies have in common, such as a digest of the samples); None has nothing.
    """
    first: dict[Hashable, str] = {}
    groups: dict[str, list[str]] = {}
    for id_, sound in utterances:
        if sound is not None and (known := first.setdefault(sound, id_)) != id_:
            groups.setdefault(known, [known]).append(id_)
    return list(groups.values())


def read_copies(corpus_json: Path) -> list[list[str]]:
    """What stage 0 found. Raises InputError where there is no corpus.json, or one of an earlier version."""
    copies = read_corpus_json(corpus_json).get("copies")
    if copies is None:
        raise InputError(f"{corpus_json} is of an earlier version of SpeechEQ: run stage 0 again")
    return copies


def warn_of_copies(corpus: str, groups: list[list[str]]) -> None:
    """Say how many utterances are copies, if any is, and name two."""
    if groups:
        count = sum(len(group) - 1 for group in groups)
        copies = "utterance is a copy of another" if count == 1 else "utterances are copies of others"
        print(
            f"warning: {corpus}: {count} {copies}, sample for sample, such as {groups[0][1]} of "
            f"{groups[0][0]}; no fold may train on one and test on the other",
            file=sys.stderr,
        )

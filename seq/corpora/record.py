"""corpus.json: what stage 0 found."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from seq.utils.files import read_json
from seq.utils.typed_values import NonNegativeInt, read_typed


class _Counted(TypedDict, total=False):
    corpus: str
    num_files: NonNegativeInt
    num_silent: NonNegativeInt
    # Whether files are missing, and what that comes to.
    partial: bool
    missing: str | None
    # Utterances that sound alike, sample for sample (`seq.corpora.copies`), by their ids.
    copies: list[list[str]]
    # The reader's, with which it ran.
    options: dict[str, str]


class CorpusRecord(_Counted):
    """Where a corpus is, and whether all of it is there."""

    root: str


def read_corpus_json(path: Path) -> CorpusRecord:
    """The corpus.json at `path`. Raises InputError where it is missing or damaged."""
    return read_typed(read_json(path), CorpusRecord, f"{path} is damaged, delete it and run stage 0 with --corpus-dir")

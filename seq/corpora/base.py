"""What a corpus reader is: from a directory to an iterator of utterances.

Adding a corpus means adding `seq/corpora/<name>.py` with a class `Reader(CorpusReader)`, a conf and a README.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from seq.errors import InputError

AUDIO_SUFFIXES = (".wav", ".flac")


@dataclass(frozen=True)
class Utterance:
    """One utterance as the corpus describes it; labels are the corpus's own, unmapped."""

    id: str
    audio: Path
    speaker: str
    gender: Literal["F", "M"] | None
    # BCP 47: "en", "zh", "de", "pl".
    language: str
    text: str | None
    # The id of the prompt, for splits that keep sentences apart; None where the corpus has no prompts.
    sentence: str | None
    # The corpus's own labels by task; several ratings of one utterance are written "2;3;3".
    raw: Mapping[str, str | None] = field(default_factory=dict)
    # The corpus's own emotion labels, and how many annotators chose each, where there were several; who chose two
    # gave half a vote to each.
    votes: Mapping[str, float] = field(default_factory=dict)
    # What the corpus's own table says of its part (train, valid or test), and of its fold.
    split: str | None = None
    fold: str | None = None
    # Where the utterance lies in the audio file, in seconds; duration None: up to the end.
    start: float = 0.0
    duration: float | None = None


@dataclass(frozen=True)
class ReaderOption:
    """An option of one recipe, passed as `--<name> VALUE`; the reader finds it in `options[name]`.

    `name` has no leading dashes, e.g. "transcripts".
    """

    name: str
    help: str


class CorpusReader:
    """Base class of all readers.

    A reader may also define `download(self, target: Path) -> Path` or `make(self, target: Path) -> Path`,
    which fetch or synthesise the corpus below `target` and return its root.
    """

    name: ClassVar[str]
    options: ClassVar[tuple[ReaderOption, ...]] = ()
    # Where the corpus is had and what the tree must look like; stage 0 prints it when there is no corpus.
    obtain: ClassVar[str]

    def find_root(self, corpus_dir: Path) -> Path:
        """The root of the corpus at or below `corpus_dir`.

        Raises:
            InputError: this is not the corpus; the message says what was expected.
        """
        raise NotImplementedError

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances below `root` in a fixed order, without opening audio.

        Args:
            root: what `find_root` returned.
            options: values of this reader's options; those not given are absent.
        """
        raise NotImplementedError


def get_reader(name: str) -> CorpusReader:
    """The reader called `name`; imports only its module. Raises InputError for an unknown name."""
    module_name = f"seq.corpora.{name}"
    try:
        reader: type[CorpusReader] | None = getattr(importlib.import_module(module_name), "Reader", None)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        reader = None
    if reader is None:
        raise InputError(f"corpus.reader: there is no reader {name!r}; choose from {', '.join(reader_names())}")
    return reader()


def reader_names() -> list[str]:
    """The names of all readers, found without importing them."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return [path.stem for path in modules if re.search(r"^class Reader\(", path.read_text(encoding="utf-8"), re.M)]

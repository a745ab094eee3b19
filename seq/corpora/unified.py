"""Several corpora as one: egs/unified reads what its sibling recipes have prepared, never a tree of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from seq.corpora.base import CorpusReader, Utterance
from seq.errors import InputError


class Reader(CorpusReader):
    """Stands in the conf of egs/unified; `seq.unified.prepare` does the work of stages 0 to 2."""

    name: ClassVar[str] = "unified"
    obtain: ClassVar[str] = (
        "Name corpora under unified.corpora in the conf, and prepare each with egs/<corpus>/run.sh --stop-stage 4."
    )

    def find_root(self, corpus_dir: Path) -> Path:
        raise InputError(f"egs/unified reads no corpus folder. {self.obtain}")

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        raise InputError(f"egs/unified reads no corpus folder. {self.obtain}")

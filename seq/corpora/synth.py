"""The synthetic corpus: made by `seq.synth.corpus`, in CASIA's tree, and read by CASIA's reader."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from seq.corpora import casia
from seq.corpora.base import ReaderOption


class Reader(casia.Reader):
    """Makes the corpus where there is none."""

    name: ClassVar[str] = "synth"
    options: ClassVar[tuple[ReaderOption, ...]] = ()
    obtain: ClassVar[str] = """\
The synthetic corpus is made on the spot, with espeak-ng (pip install espeakng-loader); no --corpus-dir is needed.
tools/synth_corpus.py --out DIR makes one of another size or seed, to be passed with --corpus-dir DIR."""

    def make(self, target: Path) -> Path:
        """Make the default corpus in `target`, or what is missing of it, and return `target`.

        Raises:
            InputError: espeak-ng is not installed, or `target` holds something else.
        """
        # Imported here, so that asking for the recipe's options needs no numpy.
        from seq.synth.corpus import Settings, make_corpus

        make_corpus(target, Settings())
        return target

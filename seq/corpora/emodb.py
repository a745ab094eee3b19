"""EMO-DB, Berlin: 10 actors say 10 German sentences in 7 emotions (Burkhardt et al. 2005).

`wav/03a01Fa.wav`: speaker 03, sentence a01, emotion F, version a.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

from seq.corpora.base import AUDIO_SUFFIXES, CorpusReader, Utterance
from seq.corpora.trees import audio_files, child, find_below
from seq.errors import InputError

SENTENCES: Final = {
    "a01": "Der Lappen liegt auf dem Eisschrank",
    "a02": "Das will sie am Mittwoch abgeben",
    "a04": "Heute abend könnte ich es ihm sagen",
    "a05": "Das schwarze Blatt Papier befindet sich da oben neben dem Holzstück",
    "a07": "In sieben Stunden wird es soweit sein",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen",
}
MEN: Final = ("03", "10", "11", "12", "15")
WOMEN: Final = ("08", "09", "13", "14", "16")
_NAME: Final = re.compile(r"(\d\d)([ab]\d\d)([A-Z])[a-z]")


class Reader(CorpusReader):
    """Reads wav/. The syllable labels beside it (lablaut, silb; Latin-1) are not needed: the sentences are known."""

    name: ClassVar[str] = "emodb"
    obtain: ClassVar[str] = """\
EMO-DB is free: download http://emodb.bilderbar.info/download/download.zip (or its copy on Zenodo), unpack it, and pass
the folder that holds wav/ with --corpus-dir; it must look like wav/03a01Fa.wav, 535 files."""

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder that holds wav/, or the files themselves."""
        return find_below(corpus_dir, _has_files, "files such as wav/03a01Fa.wav of EMO-DB")

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances, sorted by name. Raises InputError for a misnamed file."""
        for path in audio_files(_wav_dir(root)):
            match = _NAME.fullmatch(path.stem)
            if match is None or match[1] not in MEN + WOMEN or match[2] not in SENTENCES:
                raise InputError(f"{path} is not named as EMO-DB's files (03a01Fa.wav): rename or remove it")
            speaker, sentence, emotion = match.groups()
            yield Utterance(
                id=path.stem,
                audio=path,
                speaker=speaker,
                gender="M" if speaker in MEN else "F",
                language="de",
                text=SENTENCES[sentence],
                sentence=sentence,
                raw={"emotion": emotion},
            )


def _wav_dir(root: Path) -> Path:
    below = child(root, "wav")
    return below if below.is_dir() else root


def _has_files(folder: Path) -> bool:
    return any(
        _NAME.fullmatch(path.stem) and path.suffix.lower() in AUDIO_SUFFIXES for path in _wav_dir(folder).iterdir()
    )

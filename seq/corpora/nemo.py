"""nEMO: nine actors say 90 Polish sentences in six emotions (Christop 2024).

`samples/EB0_anger_1.wav`: speaker, emotion, sentence; `data.tsv` beside it says who speaks and what is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Literal

from seq.corpora.base import CorpusReader, Utterance
from seq.corpora.tables import Row, read_keyed_csv
from seq.corpora.trees import audio_files, child, find_below
from seq.errors import InputError

COMMIT: Final = "66de9999a8f2f605eb5f64841790aa5cb0877782"
# Git's own checksum of all files of that commit.
TREE: Final = "189389afd08dcd9a5b83a16d8408d7ecff1f87c8"
URL: Final = f"https://github.com/amu-cai/nEMO/archive/{COMMIT}.zip"
_COLUMNS: Final = ("emotion", "raw_text", "speaker_id", "gender")
_GENDERS: Final[dict[str, Literal["F", "M"]]] = {"female": "F", "male": "M"}
_NAME: Final = re.compile(r"([A-Z]{2}\d)_([a-z]+)_(\d{1,2})")


class Reader(CorpusReader):
    """Reads the original wav files (24 kHz) or flac copies; the table may list more than there are."""

    name: ClassVar[str] = "nemo"
    obtain: ClassVar[str] = (
        f"Download {URL} (about 500 MB, CC BY-NC-SA 4.0), unpack it and pass the folder with --corpus-dir; it must "
        "hold data.tsv and samples/EB0_anger_1.wav ..., 4481 files."
    )

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder of data.tsv and samples."""
        return find_below(
            corpus_dir,
            lambda folder: child(folder, "data.tsv").exists() and child(folder, "samples").is_dir(),
            "data.tsv and the folder samples of nEMO",
        )

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances, sorted by name.

        Raises:
            InputError: a misnamed file, a table that lacks one or contradicts its name.
        """
        table = child(root, "data.tsv")
        rows = {
            Path(name).stem: row for name, row in read_keyed_csv(table, "file_id", _COLUMNS, delimiter="\t").items()
        }
        for path in audio_files(child(root, "samples")):
            match = _NAME.fullmatch(path.stem)
            if match is None:
                raise InputError(f"{path} is not named as nEMO's files (EB0_anger_1.wav): rename or remove it")
            if path.stem not in rows:
                raise InputError(f"{table} has no line for {path.name}: copy it again from nEMO's page")
            speaker, emotion, sentence = match.groups()
            row = rows[path.stem]
            _check(row, {"speaker_id": speaker, "emotion": emotion}, f"{table}, line {row.line}: {path.stem}")
            yield Utterance(
                id=path.stem,
                audio=path,
                speaker=speaker,
                gender=_GENDERS[row.cells["gender"]],
                language="pl",
                text=row.cells["raw_text"] or None,
                sentence=sentence,
                raw={"emotion": emotion},
            )

    def download(self, target: Path) -> Path:
        """Download and unpack the corpus below `target`; returns its root."""
        from seq.corpora.download import download_commit

        return self.find_root(download_commit(URL, TREE, target, self.obtain))


def _check(row: Row, expected: dict[str, str], where: str) -> None:
    for column, value in expected.items():
        if row.cells[column] != value:
            raise InputError(f"{where} has the {column} {row.cells[column]!r}: copy the table again")
    if row.cells["gender"] not in _GENDERS:
        raise InputError(f"{where} has the gender {row.cells['gender']!r}, not female or male: copy the table again")

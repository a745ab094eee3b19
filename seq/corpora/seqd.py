"""SEQD's form: any corpus as `metadata.csv` beside its audio, one row per utterance, or per utterance and annotator.

Columns: id, path, text, speaker, gender, emotion, intensity; optional: annotator, language. The paper's own corpus is
unpublished; this is our form for it, and for yours. Where annotators differ, the emotion is the majority's (a tie is no
label) and the intensity their mean.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

from seq.agreement import Vote, describe_agreement, majority
from seq.corpora.base import CorpusReader, Utterance
from seq.corpora.tables import has_columns, read_csv
from seq.corpora.trees import find_below
from seq.errors import InputError

COLUMNS: Final = ("id", "path", "text", "speaker", "gender", "emotion", "intensity")
# What all rows of an utterance must agree on.
FACTS: Final = ("path", "text", "speaker", "gender", "language")
_GENDERS: Final = {"F": "F", "M": "M", "": None}
_HAN: Final = re.compile(r"[㐀-鿿]")


class Reader(CorpusReader):
    """Reads metadata.csv (UTF-8). The raw intensity is all ratings of an utterance, such as "2;3;3"."""

    name: ClassVar[str] = "seqd"
    obtain: ClassVar[str] = f"""\
SEQD, the corpus of the paper, is not published. This recipe reads any corpus that has a metadata.csv (UTF-8) with the
columns {",".join(COLUMNS)} and, if you like, annotator and language: id,path,... then
s1_001,wav/s1_001.wav,早上好,s1,F,happy,2 and so on; paths are relative to metadata.csv. Pass its folder with
--corpus-dir; the README has the details."""

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder of metadata.csv."""
        expected = f"metadata.csv with the columns {', '.join(COLUMNS)}"
        return find_below(corpus_dir, lambda f: has_columns(f / "metadata.csv", COLUMNS), expected)

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances in the order of their first rows; ties and agreement are said at the end.

        Raises:
            InputError: a row is incomplete, contradicts another one of its utterance, or is there twice.
        """
        table = root / "metadata.csv"
        by_id: dict[str, list[dict[str, str]]] = {}
        for row in read_csv(table, COLUMNS):
            by_id.setdefault(row["id"], []).append(row)
        ties = 0
        votes: list[Vote] = []
        for utterance_id, rows in by_id.items():
            _check(utterance_id, rows, table)
            emotions = [row["emotion"] for row in rows if row["emotion"]]
            emotion = majority(emotions)
            ties += emotion is None and bool(emotions)
            votes += [Vote(r.get("annotator", ""), utterance_id, r["emotion"], r["intensity"]) for r in rows]
            first = rows[0]
            language = first.get("language") or ("zh" if _HAN.search(first["text"]) else "en")
            yield Utterance(
                id=utterance_id,
                audio=root / first["path"],
                speaker=first["speaker"],
                gender=_GENDERS[first["gender"]],  # type: ignore[arg-type]
                language=language,
                text=first["text"] or None,
                sentence=None,
                raw_emotion=emotion,
                raw_intensity=";".join(row["intensity"] for row in rows if row["intensity"]) or None,
            )
        if len(votes) > len(by_id):
            print(f"seqd: {ties} of {len(by_id)} utterances have no majority: unlabelled", file=sys.stderr)
            print(f"seqd: {describe_agreement(votes)}", file=sys.stderr)


def _check(utterance_id: str, rows: list[dict[str, str]], table: Path) -> None:
    first = rows[0]
    if not re.fullmatch(r"\S+", utterance_id) or not first["path"] or not first["speaker"]:
        raise InputError(f"{table}: {utterance_id!r} lacks id, path or speaker, or its id has blanks: complete it")
    if first["gender"] not in _GENDERS:
        raise InputError(f"{table}: {utterance_id} has the gender {first['gender']!r}: write F, M, or nothing")
    for row in rows[1:]:
        for fact in FACTS:
            if row.get(fact) != first.get(fact):
                raise InputError(f"{table}: {utterance_id} has the {fact} {first[fact]!r} and {row[fact]!r}: keep one")
    annotators = [row.get("annotator", "") for row in rows]
    if len(set(annotators)) < len(annotators):
        raise InputError(f"{table} has {utterance_id} twice by the same annotator: remove one, or name the annotators")

"""SEQD's form: any corpus as `metadata.csv` beside its audio, one row per utterance, or per utterance and annotator.

Columns: path, speaker, emotion; optional: id, text, gender, intensity, valence, arousal, dominance, annotator,
language, split, fold. The paper's own corpus is unpublished; this is our form for it, and for yours. Where annotators
differ, the emotion is the majority's (a tie is no label) and a rating their mean.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Literal

from seq.conf import Scale
from seq.corpora.agreement import Vote, describe_agreement, majority
from seq.corpora.base import CorpusReader, Utterance
from seq.corpora.tables import Row, has_columns, read_csv
from seq.corpora.trees import child, find_below
from seq.errors import InputError

TABLE: Final = "metadata.csv"
REQUIRED: Final = ("path", "speaker", "emotion")
COLUMNS: Final = ("id", "path", "text", "speaker", "gender", "emotion", "intensity")
# Columns of numbers, of which every annotator may give another, with the scale that they usually have.
RATED: Final = {
    "intensity": Scale(0, 3),
    "valence": Scale(1, 5),
    "arousal": Scale(1, 5),
    "dominance": Scale(1, 5),
}
OPTIONAL: Final = ("annotator", "language", "split", "fold")
# What all rows of an utterance must agree on.
FACTS: Final = ("path", "text", "speaker", "gender", "language", "split", "fold")
SPLITS: Final = ("train", "valid", "test")
_GENDERS: Final[dict[str, Literal["F", "M"] | None]] = {"F": "F", "M": "M", "": None}
_HAN: Final = re.compile(r"[㐀-鿿]")
# An id names the file of the utterance's features.
_NOT_IN_ID: Final = re.compile(r"[\s/\\]+")


class Reader(CorpusReader):
    """Reads metadata.csv (UTF-8). The raw intensity is all ratings of an utterance, such as "2;3;3"."""

    name: ClassVar[str] = "seqd"
    obtain: ClassVar[str] = f"""\
SEQD, the corpus of the paper, is not published. This recipe reads any corpus that has a {TABLE} (UTF-8) with the
columns {", ".join(REQUIRED)} and, if you like, {", ".join(sorted({*COLUMNS, *RATED, *OPTIONAL} - {*REQUIRED}))}:
id,path,... then s1_001,wav/s1_001.wav,早上好,s1,F,happy,2 and so on; paths are relative to {TABLE}. Pass its folder
with --corpus-dir; the README has the details."""

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder of metadata.csv."""
        expected = f"{TABLE} with the columns {', '.join(REQUIRED)}"
        return find_below(corpus_dir, lambda f: has_columns(child(f, TABLE), REQUIRED), expected)

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances in the order of their first rows; ties and agreement are said at the end.

        Args:
            options: `table` is the name of the table where it is not metadata.csv (`speecheq finetune`).

        Raises:
            InputError: a row is incomplete, contradicts another one of its utterance, or is there twice.
        """
        by_id = _read_rows(root / options["table"] if "table" in options else child(root, TABLE))
        yield from (_utterance(rows, root) for rows in by_id.values())
        cells = [row.cells for rows in by_id.values() for row in rows]
        if len(cells) > len(by_id):
            votes = [Vote(c["annotator"], c["id"], c["emotion"], c["intensity"]) for c in cells]
            ties = sum(_emotion(rows) is None and bool(_given(rows, "emotion")) for rows in by_id.values())
            print(f"seqd: {ties} of {len(by_id)} utterances have no majority: unlabelled", file=sys.stderr)
            print(f"seqd: {describe_agreement(votes)}", file=sys.stderr)


def read_table(table: Path) -> list[Utterance]:
    """The utterances of a table of any name, in silence. Raises as `Reader.read`."""
    return [_utterance(rows, table.parent) for rows in _read_rows(table).values()]


def _read_rows(table: Path) -> dict[str, list[Row]]:
    """The rows of every utterance, by its id, all columns filled in."""
    by_id: dict[str, list[Row]] = {}
    for line, cells in read_csv(table, REQUIRED):
        filled = {**dict.fromkeys((*COLUMNS, *RATED, *OPTIONAL), ""), **cells}
        filled["id"] = filled["id"] or _id_of(cells["path"])
        by_id.setdefault(filled["id"], []).append(Row(line, filled))
    for utterance_id, rows in by_id.items():
        _check(utterance_id, rows, table)
    _check_together([rows[0] for rows in by_id.values()], table)
    return by_id


def _id_of(path: str) -> str:
    """The id of an utterance that was given none: its path, which may begin with dots."""
    return _NOT_IN_ID.sub("_", os.path.splitext(os.path.normpath(path))[0]).lstrip(".")


def _given(rows: list[Row], column: str) -> list[str]:
    """What the annotators wrote, without those who wrote nothing."""
    return [row.cells[column] for row in rows if row.cells[column]]


def _emotion(rows: list[Row]) -> str | None:
    return majority(_given(rows, "emotion"))


def _utterance(rows: list[Row], folder: Path) -> Utterance:
    first, emotions = rows[0].cells, _given(rows, "emotion")
    return Utterance(
        id=first["id"],
        audio=folder / first["path"],
        speaker=first["speaker"],
        gender=_GENDERS[first["gender"]],
        language=first["language"] or ("zh" if _HAN.search(first["text"]) else "en"),
        text=first["text"] or None,
        sentence=None,
        # All ratings, such as "2;3;3".
        raw={"emotion": _emotion(rows), **{task: ";".join(_given(rows, task)) or None for task in RATED}},
        votes=Counter(emotions) if len(emotions) > 1 else {},
        split=first["split"] or None,
        fold=first["fold"] or None,
    )


def _check(utterance_id: str, rows: list[Row], table: Path) -> None:
    """The rows of one utterance: complete, and of one mind about facts."""
    line, first = rows[0]
    if not first["path"] or not first["speaker"] or _NOT_IN_ID.search(utterance_id):
        raise InputError(
            f"{table}, line {line}: {utterance_id!r} lacks path or speaker, or its id has blanks or a slash: mend it"
        )
    if first["gender"] not in _GENDERS:
        raise InputError(
            f"{table}, line {line}: {utterance_id} has the gender {first['gender']!r}: write F, M, or nothing"
        )
    if first["split"] not in (*SPLITS, ""):
        raise InputError(
            f"{table}, line {line}: {utterance_id} has the split {first['split']!r}: write {', '.join(SPLITS)}, or "
            "nothing"
        )
    for row in rows[1:]:
        for fact in FACTS:
            if row.cells[fact] != first[fact]:
                way_out = "keep one, or give each an id" if fact == "path" else "keep one"
                raise InputError(
                    f"{table}, lines {line} and {row.line}: {utterance_id} has the {fact} {first[fact]!r} and "
                    f"{row.cells[fact]!r}: {way_out}"
                )
    lines: dict[str, int] = {}
    for row in rows:
        before = lines.setdefault(row.cells["annotator"], row.line)
        if before != row.line:
            raise InputError(
                f"{table}, lines {before} and {row.line}: {utterance_id} is there twice by the same annotator: remove "
                "one, or name the annotators"
            )


def _check_together(firsts: list[Row], table: Path) -> None:
    """One row of every utterance: a file is one utterance, and a speaker has one gender."""
    files: dict[str, Row] = {}
    speakers: dict[str, Row] = {}
    for row in firsts:
        # However a path is written; what a link leads to is found by its content, in stage 0.
        other = files.setdefault(os.path.normpath(table.parent / row.cells["path"]), row)
        if other is not row:
            raise InputError(
                f"{table}, lines {other.line} and {row.line}: {row.cells['path']} is {other.cells['id']} and "
                f"{row.cells['id']}: keep one; ratings of several annotators have the same id"
            )
        if row.cells["gender"]:
            other = speakers.setdefault(row.cells["speaker"], row)
            if other.cells["gender"] != row.cells["gender"]:
                raise InputError(
                    f"{table}, lines {other.line} and {row.line}: speaker {row.cells['speaker']} has the gender "
                    f"{other.cells['gender']} and {row.cells['gender']}: keep one, or name the speakers apart"
                )

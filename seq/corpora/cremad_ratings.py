"""What the raters of CREMA-D heard in a voice, and what that says of the emotion that was acted.

Every rater chose one emotion and gave it a level from 0 to 100. So a level is of the emotion that was heard: of the
acted one it speaks where the two are the same. Who heard neutral heard none of it, and who heard another emotion says
nothing of it. How well this and other rules agree with the level that was asked of the actors is measured by
tools/compare_cremad_levels.py; egs/cremad/README.md has the table.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from seq.corpora.tables import Row, read_csv, read_keyed_csv
from seq.corpora.trees import child
from seq.errors import InputError

LOWEST_LEVEL, HIGHEST_LEVEL = 0, 100
VOTES, SUMMARY = "processedResults/tabulatedVotes.csv", "processedResults/summaryTable.csv"
NEUTRAL: Final = "N"
# The letter of an emotion, and the column of tabulatedVotes.csv with the mean level that it was given.
LEVEL_COLUMNS: Final = {
    "A": "meanAngerResp",
    "D": "meanDisgustResp",
    "F": "meanFearResp",
    "H": "meanHappyResp",
    "N": "meanNeutralResp",
    "S": "meanSadResp",
}
_SUMMARY_COLUMNS: Final = ("VoiceVote", "VoiceLevel")
# A row's number begins with 1 where raters heard the voice, 2 where they saw the face, 3 where they did both. (Of all
# 7442 clips, the votes and levels of 1... are those that summaryTable.csv has of the voice.)
_NUMBER: Final = re.compile(r"([123])\d{5}")
_VOICE: Final = "1"


class Rating(NamedTuple):
    """How many raters heard an emotion, and the mean of the levels (0 to 100) that they gave it."""

    votes: int
    level: float


# By the letter of the emotion; those that nobody heard are absent.
Ratings = Mapping[str, Rating]


def acted_level(ratings: Ratings, acted: str) -> float | None:
    """How strong the acted emotion is, 0 to 100: the mean over raters who heard it or neutral, who count as 0.

    Args:
        acted: its letter.

    Returns:
        None where every rater heard another emotion, and for neutral itself, which has no strength.
    """
    if acted == NEUTRAL:
        return None
    heard, neutral = (ratings.get(letter, Rating(0, 0.0)) for letter in (acted, NEUTRAL))
    votes = heard.votes + neutral.votes
    return heard.votes * heard.level / votes if votes else None


def read_ratings(root: Path) -> tuple[Path, dict[str, Ratings]]:
    """The raters' choices by utterance, of tabulatedVotes.csv, or, where that is not there, of summaryTable.csv.

    Of the latter they are of those whose emotion won the vote, equally many where several won; a sentence says so.

    Returns:
        The table that was read, and what it says.

    Raises:
        InputError: neither is there, or the table is not CREMA-D's.
    """
    votes, summary = child(root, VOTES), child(root, SUMMARY)
    if votes.exists() or not summary.exists():
        return votes, read_votes(votes)
    print(
        f"cremad: {VOTES} is not there, and {SUMMARY} knows only the emotions that won the vote: more utterances go "
        "without intensity; take it from CREMA-D's page",
        file=sys.stderr,
    )
    return summary, read_summary(summary)


def read_votes(table: Path) -> dict[str, Ratings]:
    """What tabulatedVotes.csv says of the voice, by utterance. Raises InputError where it is not what it should be."""
    lines: dict[str, int] = {}
    found: dict[str, Ratings] = {}
    for row in read_csv(table, ("fileName", *LEVEL_COLUMNS, *LEVEL_COLUMNS.values())):
        name, number = row.cells["fileName"], _NUMBER.fullmatch(row.cells.get("", ""))
        if number is None:
            raise InputError(
                f"{table}, line {row.line}: its first field is not the number of a rating (100001 and so on, of the "
                "voice): copy the file again"
            )
        if number[1] != _VOICE:
            continue
        first = lines.setdefault(name, row.line)
        if first != row.line:
            raise InputError(f"{table}, lines {first} and {row.line} are both of {name}'s voice: copy the file again")
        found[name] = _tabulated(row, f"{table}, line {row.line}: {name}")
    return found


def _tabulated(row: Row, where: str) -> Ratings:
    ratings = {}
    for letter, column in LEVEL_COLUMNS.items():
        if not row.cells[letter].isdecimal():
            raise InputError(f"{where} has {row.cells[letter]!r} votes for {letter}: copy the file again")
        if votes := int(row.cells[letter]):
            ratings[letter] = Rating(votes, _level(row.cells[column], where))
    return ratings


def read_summary(table: Path) -> dict[str, Ratings]:
    """What summaryTable.csv says of the voice, by utterance; where votes tie, as in `A:D`, so do levels (`37.2:58.6`).

    Raises:
        InputError: it is not what it should be.
    """
    found: dict[str, Ratings] = {}
    for name, row in read_keyed_csv(table, "FileName", _SUMMARY_COLUMNS).items():
        where = f"{table}, line {row.line}: {name}"
        winners, levels = (row.cells[column].split(":") for column in _SUMMARY_COLUMNS)
        if len(winners) != len(levels) or not set(winners) <= set(LEVEL_COLUMNS):
            raise InputError(
                f"{where} has the level {row.cells['VoiceLevel']!r} for the vote {row.cells['VoiceVote']!r}: copy the "
                "file again"
            )
        found[name] = {letter: Rating(1, _level(level, where)) for letter, level in zip(winners, levels, strict=True)}
    return found


def _level(text: str, where: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = float("nan")
    # NaN is not between the two, either.
    if not LOWEST_LEVEL <= level <= HIGHEST_LEVEL:
        raise InputError(
            f"{where} has the level {text!r}, and levels go from {LOWEST_LEVEL} to {HIGHEST_LEVEL}: copy the file again"
        )
    return level

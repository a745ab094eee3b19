#!/usr/bin/env python3
"""How well the raters' levels of CREMA-D agree with the level that was asked of the actors, by rule.

Usage:   tools/compare_cremad_levels.py CREMA-D
Inputs:  the corpus's own names (AudioWAV/, or AudioWAV.list, one name a line) and both tables of processedResults/
Outputs: a Markdown table, which egs/cremad/README.md shows
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq.conf import load_conf
from seq.corpora.cremad_ratings import (
    HIGHEST_LEVEL,
    NEUTRAL,
    SUMMARY,
    VOTES,
    Rating,
    Ratings,
    acted_level,
    read_summary,
    read_votes,
)
from seq.corpora.trees import audio_files, child
from seq.score.intervals import intervals
from seq.tasks.number_statistics import Scale
from seq.utils.script import run_main

CONF = Path(__file__).resolve().parent.parent / "egs/cremad/conf/default.yaml"
# The raters' choices, by the letter of the emotion, and the letter that was acted, to a level from 0 to 100.
Rule = Callable[[Ratings, str], float | None]
NOBODY: Final = Rating(0, 0.0)
TAKEN: Final = "**of the acted emotion, by those who heard it or neutral, which is 0**"


def winners_level(ratings: Ratings, acted: str) -> float | None:
    """The level of the acted emotion where it is there, the mean of all elsewhere."""
    levels = [rating.level for rating in ratings.values()]
    return ratings[acted].level if acted in ratings else sum(levels) / len(levels)


def level_where_heard(ratings: Ratings, acted: str) -> float | None:
    """The level of the acted emotion, by those who heard it."""
    return ratings[acted].level if acted in ratings else None


def share(ratings: Ratings, acted: str) -> float | None:
    """The share of raters who heard the acted emotion."""
    return HIGHEST_LEVEL * ratings.get(acted, NOBODY).votes / sum(rating.votes for rating in ratings.values())


def share_times_level(ratings: Ratings, acted: str) -> float | None:
    """The mean over all raters, of whom those who heard another emotion count as 0."""
    heard = ratings.get(acted, NOBODY)
    return heard.votes * heard.level / sum(rating.votes for rating in ratings.values())


def of_three_or_more(ratings: Ratings, acted: str) -> float | None:
    """`acted_level`, where three raters or more have something to say of the acted emotion."""
    votes = sum(ratings.get(letter, NOBODY).votes for letter in (acted, NEUTRAL))
    return acted_level(ratings, acted) if votes >= 3 else None


def any_emotion(ratings: Ratings, acted: str) -> float | None:
    """The mean level over all raters of whatever emotion they heard; neutral counts as 0."""
    heard = sum(rating.votes * rating.level for letter, rating in ratings.items() if letter != NEUTRAL)
    return heard / sum(rating.votes for rating in ratings.values())


# Name, the table that it reads, and the rule.
RULES: Final[tuple[tuple[str, str, Rule], ...]] = (
    ("of the emotion that won the vote", SUMMARY, winners_level),
    ("of the acted emotion, where it won the vote", SUMMARY, level_where_heard),
    ("of the acted emotion, by those who heard it", VOTES, level_where_heard),
    ("share of raters who heard the acted emotion", VOTES, share),
    ("that share times their level", VOTES, share_times_level),
    (TAKEN, VOTES, acted_level),
    ("the same, where it is three raters or more", VOTES, of_three_or_more),
    ("**the same, of the emotions that won the vote**", SUMMARY, acted_level),
    ("of whatever emotion was heard; neutral is 0", VOTES, any_emotion),
)


@dataclass(frozen=True)
class Compared:
    """What one rule gives: clips with a level among those that were asked for one and among the others, and rho."""

    name: str
    table: str
    num_asked: int
    num_others: int
    rho: float
    ends: list[float] | None
    # That of the rule that is taken, on those of these clips that it labels.
    taken_rho: float


def read_names(corpus: Path) -> list[str]:
    """The utterances that are not neutral, by name."""
    listing = corpus / "AudioWAV.list"
    paths = [Path(line) for line in listing.read_text(encoding="utf-8").split()] if listing.exists() else []
    return sorted(p.stem for p in paths or audio_files(child(corpus, "AudioWAV")) if p.stem.split("_")[2] != "NEU")


def compare(corpus: Path) -> tuple[int, int, list[Compared]]:
    """The number of clips whose level was asked, of the others, and a line for every rule. Raises InputError."""
    tables = {SUMMARY: read_summary(child(corpus, SUMMARY)), VOTES: read_votes(child(corpus, VOTES))}
    asked_values = {item.raw: item.value for item in load_conf(CONF).corpus.intensities}
    names = read_names(corpus)
    asked = {name: asked_values[code] for name in names if (code := name.split("_")[3]) in asked_values}
    levels = {
        rule: {n: level for n in names if (level := apply(tables[table][n], n.split("_")[2][0])) is not None}
        for rule, table, apply in RULES
    }
    lines = []
    for rule, table, _ in RULES:
        found = {name: value for name, value in levels[rule].items() if name in asked}
        taken = {name: value for name, value in levels[TAKEN].items() if name in found}
        rho, ends = correlation(asked, found)
        others = len(levels[rule]) - len(found)
        lines.append(Compared(rule, table, len(found), others, rho, ends, correlation(asked, taken)[0]))
    return len(asked), len(names) - len(asked), lines


def correlation(asked: Mapping[str, float], levels: Mapping[str, float]) -> tuple[float, list[float] | None]:
    """Spearman's rho with what was asked, and its 95 % interval over actors."""
    values = [level / HIGHEST_LEVEL for level in levels.values()]
    speakers = [name.split("_")[0] for name in levels]
    statistic = Scale([asked[name] for name in levels], values, values, speakers, sorted(set(asked.values())))
    rho = float(statistic.values(np.ones((1, len(statistic.speakers))))["spearman"][0])
    return rho, intervals([statistic])["spearman"]


def format_table(num_asked: int, num_others: int, lines: list[Compared]) -> str:
    """The comparison as a Markdown table."""
    rows = [
        f"| level | table | asked ({num_asked}) | XX ({num_others}) | rho | 95 % | the taken one's, same clips |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        ends = "–" if line.ends is None else f"{line.ends[0]:.3f} to {line.ends[1]:.3f}"
        cells = [line.name, Path(line.table).name, line.num_asked, line.num_others, f"{line.rho:.3f}", ends]
        rows.append(f"| {' | '.join(map(str, cells))} | {line.taken_rho:.3f} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", metavar="CREMA-D", type=Path, help="the folder of the corpus")
    print(format_table(*compare(parser.parse_args().corpus)))


if __name__ == "__main__":
    run_main(main)

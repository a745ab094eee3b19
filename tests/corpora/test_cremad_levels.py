"""The rule for CREMA-D's intensity, measured on the real tables against the level that was asked of the actors."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from corpus_builders import real_cremad
from scipy.stats import spearmanr

from seq.corpora.cremad_ratings import acted_level, read_ratings

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"A": "Anger", "D": "Disgust", "F": "Fear", "H": "Happy", "S": "Sad"}
ASKED = {"LO": 1, "MD": 2, "HI": 3}


@pytest.mark.skipif(real_cremad() is None, reason="no tables of CREMA-D: set SPEECHEQ_CREMAD to their folder")
def test_the_rule_that_is_taken_and_the_table_of_the_readme() -> None:
    tables = real_cremad()
    assert tables is not None
    # The rule, written down once more: from the raw columns, and with scipy.
    levels: dict[str, list[tuple[int, float]]] = defaultdict(list)
    unlabelled = 0
    path, ratings = read_ratings(tables)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            name, acted, asked = row["fileName"], row["fileName"].split("_")[2][0], row["fileName"].split("_")[3]
            if not row[""].startswith("1") or acted == "N":
                continue
            votes, neutral = int(row[acted]), int(row["N"])
            expected = votes * float(row[f"mean{NAMES[acted]}Resp"]) / (votes + neutral) if votes + neutral else None
            assert acted_level(ratings[name], acted) == pytest.approx(expected)
            unlabelled += asked == "XX" and expected is None
            if asked in ASKED and expected is not None:
                levels[acted].append((ASKED[asked], expected))
    together = [pair for pairs in levels.values() for pair in pairs]
    assert (len(together), unlabelled) == (1356, 22)
    assert spearmanr(together).statistic == pytest.approx(0.424, abs=0.0005)
    # Within the emotions, too: it is not that some of them are heard better than others.
    assert sum(spearmanr(pairs).statistic for pairs in levels.values()) / 5 == pytest.approx(0.431, abs=0.0005)

    command = [sys.executable, ROOT / "tools/compare_cremad_levels.py", tables]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| tabulatedVotes.csv | 1356 | 4968 | 0.424 |" in printed
    assert printed in (ROOT / "egs/cremad/README.md").read_text(encoding="utf-8")

"""`speecheq finetune` as a user runs it: a table of one's own recordings, and the command with small settings."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import soundfile
from corpus_builders import spoken

from seq.cli import main

RATE = 16000
SPEAKERS = {"anna": "F", "bert": "M", "cora": "F", "dirk": "M", "eva": ""}


def make_table(folder: Path, words: Sequence[str], speakers: Sequence[str] = tuple(SPEAKERS)) -> Path:
    """`own.csv` with two short recordings of every speaker and word; the columns are in no special order."""
    rows = []
    for i, speaker in enumerate(speakers):
        for j, word in enumerate(words):
            for take in range(2):
                path = folder / "my audio" / speaker / f"{word} {take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, spoken(0.5, RATE, seed=10 * i + 3 * j + take, before=0.2, after=0.2), RATE)
                # However a path is written: from the table, by detours, or from the root.
                written = path if take else Path("my audio", speaker, "..", "..", "my audio", speaker, path.name)
                rating = "" if word == words[0] else str(1 + take)
                rows.append([word, str(written), speaker, SPEAKERS[speaker], rating])
    table = folder / "own.csv"
    with open(table, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["emotion", "path", "speaker", "gender", "intensity"], *rows])
    return table


def finetune(model: Path, table: Path, out: Path, *options: str) -> int:
    """Three epochs; returns the exit code."""
    command = ["finetune", model, "--corpus", table, "--out", out, "--epochs", "3"]
    return main([*map(str, command), "--set", "train.batch_duration=4", "--set", "train.average_epochs=2", *options])


def run_of(out: Path, name: str = "finetuned", seed: int = 0) -> Path:
    """The run folder of an experiment in the work folder beside `out`."""
    return out.with_name(f"{out.name}.work") / "exp" / name / "fold_1" / f"seed_{seed}"

"""What stands behind a table of RESULTS.md: scores and predictions, small enough to be committed beside the recipe.

exp/ is not in the repository; egs/<corpus>/results/<name>/ is, so that anybody can score the printed figures again.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from seq.errors import InputError
from seq.score.predictions import read_rows
from seq.score.types import read_scores
from seq.tasks.predictions import (
    CategoryPrediction,
    Prediction,
    ScalePrediction,
    SequencePrediction,
    TaskPrediction,
)
from seq.utils.files import atomic_path, write_json
from seq.utils.provenance import without_private_paths
from seq.utils.run_folder import RunFolder

# Beside RESULTS.md, the figures that it shows.
FIGURES: Final = "docs/figures"
KEPT_SCORES: Final = "scores.json"
KEPT_PREDICTIONS: Final = "predictions.jsonl.gz"
PROBABILITY_DIGITS: Final = 4


def kept_dir(exp_dir: Path) -> Path:
    """egs/<corpus>/results/<name> of egs/<corpus>/exp/<name>. Raises InputError for a folder that is not in an exp."""
    # Not resolved: exp may be a link to a larger disk, and the copy belongs beside the recipe.
    exp_dir = Path(os.path.abspath(exp_dir))
    if exp_dir.parent.name != "exp":
        raise InputError(f"{exp_dir} is not egs/<corpus>/exp/<name>: results of other folders are not kept")
    return exp_dir.parent.parent / "results" / exp_dir.name


def keep_results(scores_path: Path, exp_dir: Path) -> Path:
    """Copy the scores and the test predictions of all folds and seeds that they are of; returns the folder.

    Of the scores, paths in commands are shortened as in tables. Of the predictions, one line per utterance by fold,
    seed and then as decoded, what scores are made of is kept as it is (`ref`, `hyp`, `value`); probabilities are
    rounded to four decimals, and the times of symbols are left out. `seq.score.predictions.read_rows` reads them.

    Raises:
        InputError: scores or predictions are missing or broken, or the experiment is not in an exp folder.
    """
    folder = kept_dir(exp_dir)
    scores = read_scores(scores_path)
    folds = [row["fold"] for row in scores["folds"]]
    _write_predictions(folder / KEPT_PREDICTIONS, exp_dir, folds, scores["seeds"])
    scores["command"] = without_private_paths(scores["command"])
    for run in scores["runs"]:
        if "command" in run:
            run["command"] = without_private_paths(run["command"])
    write_json(folder / KEPT_SCORES, scores)
    return folder


def keep_packed(source: Path, target: Path) -> None:
    """Copy a file that something of RESULTS.md rests on, packed."""
    with _packed(target) as packed:
        packed.write(source.read_bytes())


def keep_json(content: Any, target: Path) -> None:
    """Write, packed, what something of RESULTS.md rests on."""
    with _packed(target) as packed:
        packed.write(json.dumps(content, ensure_ascii=False).encode())


@contextmanager
def _packed(path: Path) -> Iterator[gzip.GzipFile]:
    """A .gz file to be written; it appears when it is whole."""
    # Without a time and a name in its header, gzip gives the same bytes for the same content: git sees no change.
    with (
        atomic_path(path) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
    ):
        yield packed


def _write_predictions(path: Path, exp_dir: Path, folds: list[int], seeds: list[int]) -> None:
    with _packed(path) as packed:
        for row in _rows(exp_dir, folds, seeds):
            packed.write(f"{json.dumps(row.to_dict(), ensure_ascii=False)}\n".encode())


def _rows(exp_dir: Path, folds: list[int], seeds: list[int]) -> Iterator[Prediction]:
    for fold in folds:
        for seed in seeds:
            for row in read_rows(RunFolder.of(exp_dir, fold, seed).predictions):
                tasks = {name: _smaller(answer) for name, answer in row.tasks.items()}
                yield replace(row, tasks=tasks, fold=fold, seed=seed)


def _smaller(answer: TaskPrediction) -> TaskPrediction:
    if isinstance(answer, CategoryPrediction) and answer.probs is not None:
        return replace(answer, probs={name: round(p, PROBABILITY_DIGITS) for name, p in answer.probs.items()})
    if isinstance(answer, ScalePrediction) and answer.probs is not None:
        return replace(answer, probs=[round(p, PROBABILITY_DIGITS) for p in answer.probs])
    if isinstance(answer, SequencePrediction):
        return replace(answer, hyp_times=None, ref_times=None)
    return answer

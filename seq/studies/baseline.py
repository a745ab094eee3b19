"""The classical baseline: a linear SVM on one vector per utterance, on the folds of a protocol.

It writes the predictions.jsonl that the network writes, so the same code scores both. C is chosen by UA on valid
alone; as the network's, the final model is trained on train alone.
"""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import recall_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from seq.data.folds import load_fold
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.score.predictions import Reference, read_references
from seq.studies.functionals import corpus_functionals
from seq.tasks.base import Setting
from seq.tasks.predictions import CategoryPrediction, Prediction
from seq.tasks.registry import main_task
from seq.train.record import RunRecord
from seq.utils.files import write_json, write_jsonl
from seq.utils.provenance import git_commit, package_versions
from seq.utils.run_folder import DECODED_PARTS, RunFolder

GRID: Final = tuple(10.0**exponent for exponent in range(-5, 2))


class BaselineRecord(RunRecord, total=False):
    """run.json of the baseline."""

    features: str
    num_features: int
    C: float
    valid_UA_of_C: dict[str, float]


def make_classifier(c: float, seed: int) -> Pipeline:
    """Standardised features, linear kernel, classes weighted by their inverse frequency."""
    return make_pipeline(StandardScaler(), SVC(C=c, kernel="linear", class_weight="balanced", random_state=seed))


def choose_c(
    train: tuple[np.ndarray, Sequence[str]], valid: tuple[np.ndarray, Sequence[str]], seed: int
) -> tuple[Pipeline, dict[str, float]]:
    """The classifier whose C has the highest UA on valid (the smallest of several), and the UA of every C."""
    best, best_score, scores = None, -1.0, {}
    for c in GRID:
        classifier = make_classifier(c, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(train[0], train[1])
        labels = sorted(set(valid[1]))
        predicted = classifier.predict(valid[0])
        score = float(recall_score(valid[1], predicted, labels=labels, average="macro", zero_division=0))
        scores[f"{c:g}"] = score
        if score > best_score:
            best, best_score = classifier, score
    assert best is not None
    return best, scores


def run_baseline(
    recipe: Recipe, features: str, exp_dir: Path, folds: list[int], seeds: list[int], num_jobs: int, command: str
) -> None:
    """Train and predict every fold and seed; a run whose predictions exist is kept, unless the folds are newer.

    Raises:
        InputError: stages 0 to 3 have not run, or train has one class only.
    """
    vectors = corpus_functionals(recipe.cuts, features, recipe.exp_dir(f"functionals_{features}.npz"), num_jobs)
    references = read_references(recipe.cuts, Setting(recipe.protocol, recipe.conf.corpus))
    for fold in folds:
        for seed in seeds:
            run = RunFolder.of(exp_dir, fold, seed)
            done = run.run_json
            sources = (recipe.fold_json(fold), recipe.cuts)
            if done.exists() and all(done.stat().st_mtime > source.stat().st_mtime for source in sources):
                print(f"{run.path}: up to date")
                continue
            _run(recipe, features, run, fold, seed, vectors, references, command)


def _run(
    recipe: Recipe,
    features: str,
    run: RunFolder,
    fold_number: int,
    seed: int,
    vectors: dict[str, np.ndarray],
    references: dict[str, Reference],
    command: str,
) -> None:
    started = time.monotonic()
    speakers = {id_: reference.speaker for id_, reference in references.items()}
    fold = load_fold(recipe.folds_dir, fold_number, speakers)

    task = main_task().name

    def part(ids: list[str]) -> tuple[np.ndarray, list[str]]:
        return np.stack([vectors[id_] for id_ in ids]), [str(references[id_].labels[task]) for id_ in ids]

    train = part(fold.train)
    if len(set(train[1])) < 2:
        raise InputError(f"fold {fold_number} has one {task} only in train: an SVM needs two or more")
    classifier, scores = choose_c(train, part(fold.valid), seed)
    for name in DECODED_PARTS:
        ids = getattr(fold, name)
        vectors_of_part, refs = part(ids)
        answers = classifier.predict(vectors_of_part)
        rows = [
            # An SVM has no probabilities.
            Prediction(
                id_,
                speakers[id_],
                {task: CategoryPrediction(ref, str(hyp))},
                recipe.conf.corpus.name,
                fold_number,
                seed,
            )
            for id_, ref, hyp in zip(ids, refs, answers, strict=True)
        ]
        write_jsonl(run.predictions_of(name), (row.to_dict() for row in rows))
    record: BaselineRecord = {
        "fold": fold_number,
        "seed": seed,
        "command": command,
        "commit": git_commit(),
        "versions": package_versions(),
        "tasks": [task],
        "features": features,
        "num_features": int(train[0].shape[1]),
        "C": classifier[-1].C,
        "valid_UA_of_C": scores,
        "num_train": len(fold.train),
        "wall_seconds": time.monotonic() - started,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    write_json(run.run_json, record)
    print(f"{run.path}: C {record['C']:g}, valid UA {100 * max(scores.values()):.2f} %")

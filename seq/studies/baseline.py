"""The classical baseline: a linear SVM on one vector per utterance, on the folds of a protocol.

It writes the predictions.jsonl that the network writes, so the same code scores both. C, and how many features are kept
where they are selected, is chosen by UA on valid alone; as the network's, the final model is trained on train alone.
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
from sklearn.feature_selection import SelectKBest, f_classif
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
# How many features may be kept, where they are selected; all is one, too.
NUM_KEPT: Final = (25, 50, 100, 200, 400, 800, 1600, 3200)


class BaselineRecord(RunRecord, total=False):
    """run.json of the baseline."""

    features: str
    # Of the vector, and of those that the classifier reads.
    num_features: int
    num_kept: int
    C: float
    valid_UA_of_C: dict[str, float]
    # The best of every number of features that were kept.
    valid_UA_of_num_kept: dict[str, float]


def baseline_prefix(features: str, is_selected: bool) -> str:
    """How the names of experiments on these features begin."""
    return f"baseline_{features}-selected" if is_selected else f"baseline_{features}"


def make_classifier(c: float, seed: int) -> SVC:
    """Linear kernel, classes weighted by their inverse frequency."""
    return SVC(C=c, kernel="linear", class_weight="balanced", random_state=seed)


def choose_c(
    train: tuple[np.ndarray, Sequence[str]], valid: tuple[np.ndarray, Sequence[str]], seed: int
) -> tuple[Pipeline, dict[str, float]]:
    """The classifier of standardised features with the highest UA on valid, and the UA of every C.

    Of several C with the same, it is the smallest.
    """
    best, scores, _ = choose_classifier(train, valid, seed, is_selected=False)
    return best, scores


def choose_classifier(
    train: tuple[np.ndarray, Sequence[str]], valid: tuple[np.ndarray, Sequence[str]], seed: int, is_selected: bool
) -> tuple[Pipeline, dict[str, float], dict[str, float]]:
    """`choose_c`, and where features are selected, how many: those with the highest F of an analysis of variance.

    Returns:
        The classifier, the UA of every C with its number of features, and the best UA of every number of features. Of
        several numbers with the same UA it is the smallest.
    """
    num_features = train[0].shape[1]
    numbers = [n for n in NUM_KEPT if n < num_features] if is_selected else []
    scale = StandardScaler().fit(train[0])
    best, best_score, best_of_c = None, -1.0, dict[str, float]()
    best_of_number: dict[str, float] = {}
    for number in [*numbers, num_features]:
        select = SelectKBest(f_classif, k=number)
        with warnings.catch_warnings():
            # Of a feature that never changes there is no F; it comes last.
            warnings.simplefilter("ignore")
            select.fit(scale.transform(train[0]), train[1])
        parts = [select.transform(scale.transform(part[0])) for part in (train, valid)]
        scores: dict[str, float] = {}
        found: tuple[float, SVC] | None = None
        for c in GRID:
            classifier = make_classifier(c, seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                classifier.fit(parts[0], train[1])
            score = _ua(valid[1], classifier.predict(parts[1]))
            scores[f"{c:g}"] = score
            if found is None or score > found[0]:
                found = score, classifier
        assert found is not None
        best_of_number[str(number)] = found[0]
        if found[0] > best_score:
            best, best_score, best_of_c = make_pipeline(scale, select, found[1]), found[0], scores
    assert best is not None
    return best, best_of_c, best_of_number


def _ua(refs: Sequence[str], hyps: Sequence[str]) -> float:
    return float(recall_score(refs, hyps, labels=sorted(set(refs)), average="macro", zero_division=0))


def run_baseline(
    recipe: Recipe,
    features: str,
    exp_dir: Path,
    folds: list[int],
    seeds: list[int],
    num_jobs: int,
    command: str,
    is_selected: bool = False,
) -> None:
    """Train and predict every fold and seed; a run whose predictions exist is kept, unless the folds are newer.

    Args:
        is_selected: whether features are selected.

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
            _run(recipe, features, run, fold, seed, vectors, references, command, is_selected)


def _run(
    recipe: Recipe,
    features: str,
    run: RunFolder,
    fold_number: int,
    seed: int,
    vectors: dict[str, np.ndarray],
    references: dict[str, Reference],
    command: str,
    is_selected: bool,
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
    classifier, scores, of_number = choose_classifier(train, part(fold.valid), seed, is_selected)
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
        "num_kept": int(classifier[1].get_support().sum()),
        "C": classifier[-1].C,
        "valid_UA_of_C": scores,
        "valid_UA_of_num_kept": of_number,
        "num_train": len(fold.train),
        "wall_seconds": time.monotonic() - started,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    write_json(run.run_json, record)
    kept = f"{record['num_kept']} of {record['num_features']} features"
    print(f"{run.path}: C {record['C']:g}, {kept}, valid UA {100 * max(scores.values()):.2f} %")

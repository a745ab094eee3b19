"""Scores of egs/unified per corpus, and of training on one corpus and testing on another.

A corpus is scored within its own categories: the answer is the likeliest of those that both train and the corpus have,
as if one knew which corpus one hears. "UA_open" takes the answer over all categories instead. Scales are compared on
the levels that the corpus has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, TypedDict, cast

from seq.conf import Conf
from seq.data.fold_files import read_fold_parts
from seq.data.manifest_rows import corpus_of
from seq.labels import INTENSITY_ANCHORS, nearest_level
from seq.recipe.siblings import CROSS, JOINT, Sibling, open_siblings
from seq.report.cells import NUM_LEADING
from seq.score.intervals import paired_by_speaker, paired_test
from seq.score.predictions import read_predictions, read_references
from seq.score.score import Scored, score_task
from seq.score.types import PoolScores, Scores, read_scores, task_scores
from seq.tasks.base import Outputs, Setting, Task
from seq.tasks.predictions import CategoryPrediction, Prediction, ScalePrediction, TaskPrediction
from seq.tasks.registry import in_order, main_task
from seq.utils.files import read_jsonl

# Kept of the main task's block beside its metrics; of the other tasks, the metrics alone.
KEPT = ("recall", "num_speakers", "interval", "speakers")


class _Alone(TypedDict, total=False):
    # For joint training, see `_alone`.
    alone: dict[str, Any] | None


class CorpusScores(PoolScores, _Alone):
    """One corpus, over the folds that test it."""

    # The classes that train and the corpus both have.
    categories: list[str]
    trained_on: list[str]


class Matrix(TypedDict):
    """Of cross_corpus: a row per corpus that trained, a column per tested one; None where no class is shared."""

    train: list[str]
    test: list[str]
    cells: list[list[CorpusScores | None]]


class CorporaScores(TypedDict, total=False):
    """The "corpora" of scores.json: `rows` by corpus, or for cross_corpus the matrix."""

    rows: dict[str, CorpusScores]
    matrix: Matrix


@dataclass(frozen=True)
class FoldAnswers:
    """What was predicted in a fold, the categories that its train part has, and which corpora it has where."""

    # One list per seed.
    runs: list[list[Prediction]]
    categories: set[str | float]
    trained_on: set[str]
    tested: set[str]


def score_corpora(conf: Conf, scores: Scores, cuts: Path, folds_dir: Path, exp_dir: Path) -> CorporaScores:
    """Scores per corpus of an experiment that `seq.score.score.score_experiment` has scored as a whole."""
    protocol = conf.protocol(scores["protocol"]["name"])
    siblings = open_siblings(conf)
    setting = Setting(protocol, conf.corpus)
    folds = [row["fold"] for row in scores["folds"]]
    experiment = Scored(exp_dir, folds_dir, setting, read_references(cuts, setting), folds, scores["seeds"])
    corpora = {cut["id"]: corpus_of(cut) for cut in read_jsonl(cuts)}
    answers = {fold: _read_fold(experiment, fold, corpora) for fold in experiment.folds}
    names = [sibling.name for sibling in siblings]
    if protocol.name == CROSS:
        cells = [[_score_corpus([answers[fold]], name, experiment, corpora) for name in names] for fold in folds]
        return {"matrix": {"train": [names[fold - 1] for fold in folds], "test": names, "cells": cells}}
    rows = {}
    for sibling in siblings:
        block = _score_corpus(list(answers.values()), sibling.name, experiment, corpora)
        if block is not None:
            if protocol.name == JOINT:
                block["alone"] = _alone(block, sibling, conf.unified.alone or conf.model_name)
            rows[sibling.name] = block
    return {"rows": rows}


def _read_fold(experiment: Scored, fold: int, corpora: Mapping[str, str]) -> FoldAnswers:
    parts = read_fold_parts(experiment.folds_dir, fold)
    paths = {seed: experiment.run(fold, seed).predictions for seed in experiment.seeds}
    runs = [
        read_predictions(path, parts["test"], experiment.references, experiment.setting, seed)
        for seed, path in paths.items()
    ]
    return FoldAnswers(
        runs=runs,
        categories=_labels(experiment, parts["train"], main_task()),
        trained_on={corpora[id_] for id_ in parts["train"]},
        tested={corpora[id_] for id_ in parts["test"]},
    )


def _labels(experiment: Scored, ids: Sequence[str], task: Task) -> set[str | float]:
    """The labels of a task that occur among utterances."""
    found = (experiment.references[id_].labels.get(task.name) for id_ in ids)
    return {label for label in found if isinstance(label, str | float)}


def _score_corpus(
    answers: Sequence[FoldAnswers], corpus: str, experiment: Scored, corpora: Mapping[str, str]
) -> CorpusScores | None:
    """Scores of one corpus over the folds that test it; None where none does or no category is shared."""
    folds = [fold for fold in answers if corpus in fold.tested]
    if not folds:
        return None
    main = main_task()
    ids = [id_ for id_, name in corpora.items() if name == corpus]
    known = _labels(experiment, ids, main) & reduce(lambda one, other: one & other, (fold.categories for fold in folds))
    wide = main.outputs(experiment.setting)
    classes = [name for name in wide.labels if name in known]
    opened: list[list[Prediction]] = []
    for seed in range(len(experiment.seeds)):
        rows = [row for fold in folds for row in fold.runs[seed] if corpora[row.id] == corpus]
        opened.append([row for row in rows if experiment.references[row.id].labels.get(main.name) in classes])
    if not classes or not opened[0]:
        return None
    # A fold that could not learn a task has no answers of it.
    tasks = in_order(set.intersection(*(set(row.tasks) for rows in opened for row in rows)))
    outputs = {task.name: _scoped(task, experiment, ids) for task in tasks}
    if main.name in outputs:
        outputs[main.name] = replace(wide, labels=tuple(classes))
    runs = [[_within(row, outputs, main.name) for row in rows] for rows in opened]
    block: dict[str, Any] = {
        "categories": classes,
        "trained_on": sorted(set.union(*(fold.trained_on for fold in folds))),
        "num_utterances": len(runs[0]),
    }
    for task in tasks:
        scored = cast("dict[str, Any]", score_task(task, runs, outputs[task.name]))
        block[task.name] = {key: scored.get(key) for key in _kept(task, is_main=task.name == main.name)}
    if main.name in block:
        whole = cast("dict[str, Any]", score_task(main, opened, wide))
        block[main.name][f"{main.main.metric}_open"] = whole[main.main.metric]
    return cast("CorpusScores", block)


def _kept(task: Task, is_main: bool) -> list[str]:
    """What is kept of a task's block; confusions and counts are in predictions.jsonl."""
    metrics = [column.metric for column in task.columns if not column.is_optional]
    if not is_main:
        return ["n", *metrics]
    tested = [key for name in metrics[:NUM_LEADING] for key in (name, f"{name}_ci95")]
    return ["n", *tested, *metrics[NUM_LEADING:], *KEPT]


def _scoped(task: Task, experiment: Scored, ids: Sequence[str]) -> Outputs:
    """A scale with the levels that a corpus has; all anchors where it has ratings in between."""
    outputs = task.outputs(experiment.setting)
    if outputs.kind != "scale":
        return outputs
    levels = tuple(sorted(float(value) for value in _labels(experiment, ids, task)))
    return replace(outputs, levels=levels if 0 < len(levels) <= len(INTENSITY_ANCHORS) else INTENSITY_ANCHORS)


def _within(row: Prediction, outputs: Mapping[str, Outputs], main: str) -> Prediction:
    """A prediction with its answers taken among the categories and levels of a corpus."""

    def scoped(name: str, answer: TaskPrediction) -> TaskPrediction:
        if name == main and isinstance(answer, CategoryPrediction) and answer.probs:
            return replace(answer, hyp=max(outputs[name].labels, key=answer.probs.__getitem__))
        if isinstance(answer, ScalePrediction):
            return replace(answer, hyp=nearest_level(answer.value, outputs[name].levels))
        return answer

    return replace(row, tasks={name: scoped(name, answer) for name, answer in row.tasks.items()})


def _alone(block: CorpusScores, sibling: Sibling, prefix: str) -> dict[str, Any] | None:
    """The corpus's own experiment over the speakers that both have tested; None where it has none.

    Means over speakers of the main task's first metrics, ours and alone, and the paired test over speakers.
    """
    path = sibling.own_scores(prefix)
    main = main_task()
    own = task_scores(block, main.name)
    if not path.exists() or own is None:
        return None
    theirs = (task_scores(read_scores(path)["pooled"], main.name) or {}).get("speakers") or {}
    ours = {name.removeprefix(f"{sibling.name}:"): value for name, value in own.get("speakers", {}).items()}
    result: dict[str, Any] = {"experiment": path.parent.name, "num_speakers": len(set(ours) & set(theirs))}
    for metric in (column.metric for column in main.columns[:NUM_LEADING]):
        paired = paired_by_speaker(ours, theirs, metric)
        if not paired[0]:
            return None
        test = paired_test(*paired)
        means = [sum(values) / len(values) for values in paired]
        result[metric] = {"joint": means[0], "alone": means[1], "difference": test.difference, "test": str(test)}
    return result

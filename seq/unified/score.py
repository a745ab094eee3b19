"""Scores of egs/unified per corpus, and of training on one corpus and testing on another.

A corpus is scored within its own categories: the answer is the likeliest of those that both train and the corpus have,
as if one knew which corpus one hears. "UA_open" takes the answer over all categories instead. Intensity is compared on
the levels that the corpus has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seq.conf import Conf
from seq.labels import INTENSITY_ANCHORS, nearest_level
from seq.recipe.siblings import CROSS, JOINT, Sibling, open_siblings
from seq.score.intervals import paired_by_speaker, paired_test
from seq.score.predictions import Row, read_predictions, read_references
from seq.score.score import Experiment, score_task
from seq.unified.prepare import corpus_of
from seq.utils.files import read_json, read_jsonl

# Kept of a task's block; confusions and counts are in predictions.jsonl.
KEPT = {
    "emotion": ("n", "UA", "UA_ci95", "WA", "WA_ci95", "macro_f1", "recall", "num_speakers", "interval", "speakers"),
    "intensity": ("n", "UA", "MAE", "spearman"),
    "gender": ("n", "accuracy"),
    "phone": ("n", "PER"),
}


def score_corpora(conf: Conf, scores: dict[str, Any], cuts: Path, folds_dir: Path, exp_dir: Path) -> dict[str, Any]:
    """Scores per corpus of an experiment that `seq.score.score.score_experiment` has scored as a whole.

    Returns {"rows": {corpus: block}} where every utterance is tested once (joint, leave_one_corpus_out), and for
    cross_corpus {"matrix": {"train", "test", "cells"}}, cells[i][j] a block or None. A block has the tasks' scores,
    "categories", "trained_on" and, for joint, "alone" (see `_alone`).
    """
    protocol = conf.protocol(scores["protocol"]["name"])
    siblings = open_siblings(conf.unified)
    experiment = Experiment(exp_dir, folds_dir, protocol, INTENSITY_ANCHORS, read_references(cuts, protocol),
                            [row["fold"] for row in scores["folds"]], scores["seeds"])  # fmt: skip
    corpora = {cut["id"]: corpus_of(cut) for cut in read_jsonl(cuts)}
    answers = {fold: _read_fold(experiment, fold, corpora) for fold in experiment.folds}
    names = [sibling.name for sibling in siblings]
    if protocol.name == CROSS:
        cells = [
            [_block([answers[fold]], name, experiment, corpora) for name in names]
            for fold in experiment.folds
        ]  # fmt: skip
        return {"matrix": {"train": [names[fold - 1] for fold in experiment.folds], "test": names, "cells": cells}}
    rows = {}
    for sibling in siblings:
        tested = [parts for parts in answers.values() if sibling.name in parts["tested"]]
        block = _block(tested, sibling.name, experiment, corpora)
        if block is not None:
            if protocol.name == JOINT:
                block["alone"] = _alone(block, sibling, conf.unified.alone or conf.model_name)
            rows[sibling.name] = block
    return {"rows": rows}


def _read_fold(experiment: Experiment, fold: int, corpora: dict[str, str]) -> dict[str, Any]:
    """Predictions of a fold per seed, the categories of its train part per corpus, and who is tested."""
    parts = read_json(experiment.folds_dir / f"fold_{fold}.json")
    runs = [
        read_predictions(experiment.run_dir(fold, seed) / "predictions.jsonl", parts["test"], experiment.references,
                         experiment.protocol, experiment.levels, seed)
        for seed in experiment.seeds
    ]  # fmt: skip
    return {
        "runs": runs,
        "categories": {experiment.references[id_].emotion for id_ in parts["train"]},
        "trained_on": {corpora[id_] for id_ in parts["train"]},
        "tested": {corpora[id_] for id_ in parts["test"]},
    }


def _block(
    folds: Sequence[dict[str, Any]], corpus: str, experiment: Experiment, corpora: dict[str, str]
) -> dict[str, Any] | None:
    """Scores of one corpus over the folds that test it; None where none does or no category is shared."""
    if not folds or not any(corpus in fold["tested"] for fold in folds):
        return None
    own = {experiment.references[id_].emotion for id_, name in corpora.items() if name == corpus}
    trained = set.intersection(*(fold["categories"] for fold in folds))
    classes = [name for name in experiment.protocol.emotions if name in own & trained]
    levels = _levels(experiment, corpus, corpora)
    scoped = replace(experiment, protocol=replace(experiment.protocol, emotions=classes), levels=levels)
    opened: list[list[Row]] = []
    for seed in range(len(experiment.seeds)):
        rows = [row for fold in folds for row in fold["runs"][seed] if corpora[row["id"]] == corpus]
        opened.append([row for row in rows if experiment.references[row["id"]].emotion in classes])
    if not classes or not opened[0]:
        return None
    runs = [[_within(row, classes, levels) for row in rows] for rows in opened]
    block: dict[str, Any] = {
        "categories": classes,
        "trained_on": sorted(set.union(*(fold["trained_on"] for fold in folds))),
        "num_utterances": len(runs[0]),
    }
    for task, kept in KEPT.items():
        if task in runs[0][0]:
            scored = score_task(task, runs, scoped)
            block[task] = {key: scored.get(key) for key in kept}
    if "emotion" in block:
        block["emotion"]["UA_open"] = score_task("emotion", opened, experiment)["UA"]
    return block


def _levels(experiment: Experiment, corpus: str, corpora: dict[str, str]) -> tuple[float, ...]:
    """The intensities that a corpus has; all anchors where it has ratings in between."""
    values = {experiment.references[id_].intensity for id_, name in corpora.items() if name == corpus} - {None}
    levels = tuple(sorted(float(value) for value in values if value is not None))
    return levels if 0 < len(levels) <= len(INTENSITY_ANCHORS) else INTENSITY_ANCHORS


def _within(row: Row, classes: Sequence[str], levels: Sequence[float]) -> Row:
    """A prediction with its answers taken among the categories and levels of a corpus."""
    answer = dict(row)
    probs = row.get("emotion", {}).get("probs")
    if probs:
        answer["emotion"] = {**row["emotion"], "hyp": max(classes, key=probs.__getitem__)}
    if "intensity" in row:
        answer["intensity"] = {**row["intensity"], "hyp": nearest_level(row["intensity"]["value"], levels)}
    return answer


def _alone(block: dict[str, Any], sibling: Sibling, prefix: str) -> dict[str, Any] | None:
    """The corpus's own experiment over the speakers that both have tested; None where it has none.

    Means over speakers of UA and WA, ours and alone, and the paired test over speakers.
    """
    path = sibling.exp_dir(f"{prefix}_{sibling.protocol}") / "scores.json"
    if not path.exists() or "emotion" not in block:
        return None
    theirs = read_json(path)["pooled"]["emotion"].get("speakers") or {}
    ours = {name.removeprefix(f"{sibling.name}:"): value for name, value in block["emotion"]["speakers"].items()}
    result: dict[str, Any] = {"experiment": path.parent.name, "num_speakers": len(set(ours) & set(theirs))}
    for metric in ("UA", "WA"):
        paired = paired_by_speaker(ours, theirs, metric)
        if not paired[0]:
            return None
        test = paired_test(*paired)
        means = [sum(values) / len(values) for values in paired]
        result[metric] = {"joint": means[0], "alone": means[1], "difference": test.difference, "test": str(test)}
    return result

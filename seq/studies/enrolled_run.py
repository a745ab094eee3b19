"""The study of known speakers from beginning to end, resumable fold by fold, and its scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from seq.data.folds import Fold, describe_protocol, load_fold
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.score.draws import labelled
from seq.score.intervals import crossed_intervals
from seq.score.predictions import Reference, read_references
from seq.studies.enrolled import VERSION, Condition, Heard, answer_names, possible, score_fold, scored_tasks
from seq.studies.enrolled_report import PROTOCOL
from seq.tasks.base import Outputs, Setting
from seq.tasks.registry import main_task
from seq.tasks.statistics import Classification, Statistic, finite
from seq.train.answers import embeddings_of
from seq.train.checkpoint import checkpoint_path, load_model
from seq.utils.files import content_digest, read_json, sha256, write_json
from seq.utils.provenance import git_commit, package_versions
from seq.utils.run_folder import RunFolder

# What intensity's levels and emotion's classes are both scored by.
METRIC: Final = "UA"


@dataclass(frozen=True)
class Enrolled:
    """What is asked for."""

    recipe: Recipe
    # Finished.
    exp_dir: Path
    seed: int
    conditions: list[Condition]
    num_draws: int
    out: Path
    command: str = ""


def run_enrolled(study: Enrolled) -> dict[str, Any]:
    """Do what is not done yet; write and return `enrolled.json`.

    Raises:
        InputError: the experiment is not finished or not trained on the main task, stage 2's features are not there, or
            test speakers are in train.
    """
    started = time.monotonic()
    recipe, runs = study.recipe, RunFolder.finished(study.exp_dir, seed=study.seed)
    if not runs:
        raise InputError(f"{study.exp_dir} has no finished run of seed {study.seed}: run its stage 5 first")
    if not recipe.features.exists():
        raise InputError(f"{recipe.features} does not exist: run {recipe.folder}/run.sh --stop-stage 4 first")
    references = read_references(recipe.cuts, Setting(recipe.protocol, recipe.conf.corpus))
    folds = [load_fold(recipe.folds_dir, run.fold_and_seed()[0]) for run in runs]
    if not all(fold.speaker_disjoint for fold in folds):
        raise InputError(f"protocol {recipe.protocol.name} tests speakers who are in train: choose one that does not")
    if not all(fold.valid_speaker_disjoint for fold in folds):
        raise InputError(f"valid of protocol {recipe.protocol.name} has speakers of train: choose one where it has not")
    classes, task = recipe.protocol.emotions, main_task().name
    test = [item for fold in folds for item in labelled(fold.test, references, task, classes)]
    skipped = possible(study.conditions, test, len(classes))
    for name, reason in skipped.items():
        print(f"{name} is skipped: {reason}")
    conditions = [one for one in study.conditions if one.name not in skipped]
    scored: list[dict[str, Any]] = []
    outputs: Mapping[str, Outputs] = {}
    for run, fold in zip(runs, folds, strict=True):
        model, epoch = load_model(run.path, encoder=recipe.conf.model.pretrained.path or None)
        outputs = model.spec.outputs
        if task not in outputs or list(outputs[task].labels) != list(classes):
            raise InputError(f"{study.exp_dir} was not trained on the {task} of {recipe.protocol.name}: choose another")
        made_from = {
            "version": VERSION,
            "weights": sha256(checkpoint_path(run.path, epoch)),
            "cuts": content_digest(recipe.features),
            "fold": sha256(recipe.fold_json(fold.fold)),
            "conditions": [one.name for one in conditions],
            "num_draws": study.num_draws,
        }
        kept = study.out / f"fold_{fold.fold}.json"
        found = read_json(kept) if kept.exists() else {}
        if found.get("made_from") != made_from:
            print(f"fold {fold.fold}: test speakers {', '.join(_speakers(fold, references))}", flush=True)
            ids = [*fold.train, *fold.valid, *fold.test]
            parts = [labelled(part, references, task, classes) for part in (fold.train, fold.valid, fold.test)]
            heard = Heard(model, embeddings_of(model, recipe.features, ids), references, *parts)
            found = {"made_from": made_from, "fold": fold.fold, **score_fold(heard, conditions, study.num_draws)}
            write_json(kept, found)
        scored.append(found)
    everyone = [speaker for found in scored for speaker in found["speakers"]]
    result = {
        "protocol": PROTOCOL,
        "corpus": recipe.conf.corpus.name,
        "experiment": study.exp_dir.name,
        "folds_of": describe_protocol(recipe.protocol),
        "folds": [found["fold"] for found in scored],
        "seed": study.seed,
        "classes": list(classes),
        "num_speakers": len(everyone),
        "num_utterances": sum(len(one["ids"]) for one in everyone),
        "conditions": [one.name for one in conditions],
        "skipped": skipped,
        "num_draws": study.num_draws,
        "strengths": {str(found["fold"]): found["strengths"] for found in scored},
        "task": task,
        "rows": score_answers(everyone, outputs, conditions),
        "answers": scored,
        "command": study.command,
        "commit": git_commit(),
        "versions": package_versions(),
        "wall_seconds": time.monotonic() - started,
    }
    write_json(study.out / f"{PROTOCOL}.json", result)
    return result


def _speakers(fold: Fold, references: Mapping[str, Reference]) -> list[str]:
    return list(dict.fromkeys(references[id_].speaker for id_ in fold.test))


class _Gain(Statistic):
    """What a metric has more with a speaker's clips than without, on the same utterances."""

    bounds: ClassVar[dict[str, tuple[float, float]]] = {METRIC: (-1.0, 1.0)}

    def __init__(self, after: Classification, before: Classification) -> None:
        self.speakers, self._after, self._before = after.speakers, after, before

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to the difference (D,)."""
        return {METRIC: self._after.values(weights)[METRIC] - self._before.values(weights)[METRIC]}


def score_answers(
    everyone: Sequence[dict[str, Any]], outputs: Mapping[str, Outputs], conditions: Sequence[Condition]
) -> list[dict[str, Any]]:
    """The metric of every task under every condition, and what it has more than without clips (`gain`).

    Both are computed per draw over all speakers and averaged; `std` is the spread over draws, `_ci95` the interval over
    draws and speakers (`seq.score.intervals.crossed_intervals`).
    """
    rows = []
    for task in scored_tasks(outputs):
        names = answer_names(outputs[task.name])
        if not any(ref is not None for one in everyone for ref in one["refs"][task.name]):
            continue
        plain = next((_draws(everyone, task.name, names, one)[0] for one in conditions if not one.count), None)
        for condition in conditions:
            draws = _draws(everyone, task.name, names, condition)
            row: dict[str, Any] = {"task": task.name, "condition": condition.name, "num_draws": len(draws)}
            row |= {"value": _mean(draws), "value_ci95": crossed_intervals(draws)[METRIC], "std": _spread(draws)}
            if plain is not None and condition.count:
                gains = [_Gain(draw, plain) for draw in draws]
                row |= {"gain": _mean(gains), "gain_ci95": crossed_intervals(gains)[METRIC]}
            rows.append(row)
    return rows


def _draws(
    everyone: Sequence[dict[str, Any]], task: str, names: Sequence[str], condition: Condition
) -> list[Classification]:
    """The answers of every draw, of the utterances that are labelled for a task."""
    found = []
    for draw in range(len(everyone[0]["answers"][task][condition.name])):
        known = [
            (one["speaker"], names[ref], names[hyp])
            for one in everyone
            for ref, hyp in zip(one["refs"][task], one["answers"][task][condition.name][draw], strict=True)
            if ref is not None
        ]
        speakers, refs, hyps = zip(*known, strict=True)
        found.append(Classification(refs, hyps, speakers, names))
    return found


def _values(draws: Sequence[Statistic]) -> list[float]:
    return [draw.values(np.ones((1, len(draw.speakers))))[METRIC][0] for draw in draws]


def _mean(draws: Sequence[Statistic]) -> float | None:
    return finite(float(np.mean(_values(draws))))


def _spread(draws: Sequence[Statistic]) -> float | None:
    return finite(float(np.std(_values(draws), ddof=1))) if len(draws) > 1 else None

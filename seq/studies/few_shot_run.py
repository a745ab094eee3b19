"""The few-shot study from beginning to end: resumable, run by run and speaker by speaker."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from seq.data.folds import describe_protocol, load_fold
from seq.errors import InputError
from seq.models.pretrained.spec import read_encoder_json
from seq.recipe.recipe import Recipe
from seq.score.intervals import crossed_intervals
from seq.studies.few_shot import (
    METHODS,
    Round,
    common_classes,
    cuts_of,
    labelled_items,
    make_rounds,
    needed,
    possible_shots,
    score_round,
)
from seq.studies.few_shot_vectors import Acoustics, Space, corpus_acoustics, load_spaces, make_spaces, save_spaces
from seq.tasks.registry import main_task
from seq.tasks.statistics import Classification, finite
from seq.train.checkpoint import checkpoint_path, load_model
from seq.utils.files import content_digest, read_json, sha256, update_json, write_json
from seq.utils.progress import progress_bar
from seq.utils.provenance import git_commit, package_versions
from seq.utils.run_folder import RunFolder

# Raised by whatever changes an answer.
VERSION: Final = 1
MADE_FROM: Final = "made_from.json"


@dataclass(frozen=True)
class FewShot:
    """What is asked for."""

    source: Recipe
    target: Recipe
    # Of the source, finished.
    exp_dir: Path
    seed: int
    shots: list[int]
    num_draws: int
    out: Path
    num_jobs: int = 1
    command: str = ""

    @property
    def is_same(self) -> bool:
        """Whether the target's speakers are the source's own test speakers."""
        return self.source.place() == self.target.place()


def run_few_shot(study: FewShot) -> dict[str, Any]:
    """Do what is not done yet; write and return `few_shot.json`.

    Raises:
        InputError: the experiment is not finished, the target was not heard by its encoder, the two have fewer than
            two classes in common, or nobody can label utterances.
    """
    started = time.monotonic()
    runs = {run.fold_and_seed()[0]: run for run in RunFolder.finished(study.exp_dir, seed=study.seed)}
    if not runs:
        raise InputError(f"{study.exp_dir} has no finished run of seed {study.seed}: run its stage 5 first")
    folds = sorted(runs) if study.is_same else [min(runs)]
    source_cuts, target_cuts = cuts_of(study.source, "--recipe"), cuts_of(study.target, "--target")
    task = main_task().name
    spec = load_model(runs[folds[0]].path)[0].spec
    if task not in spec.outputs:
        raise InputError(f"{study.exp_dir} was not trained on {task}: choose another experiment")
    if spec.encoder is not None and read_encoder_json(target_cuts).sha256 != spec.encoder.sha256:
        raise InputError(f"{target_cuts} was heard by another encoder than {study.exp_dir}'s: run its stage 2 again")
    classes = common_classes(spec.outputs[task].labels, study.target.protocol.emotions)
    items = labelled_items(study.target, classes)
    rounds = make_rounds(study.target, items, folds, study.is_same)
    shots, skipped = possible_shots(rounds, classes, study.shots)
    for k, reason in skipped.items():
        print(f"k = {k} is skipped: {reason}")
    acoustics = [
        corpus_acoustics(recipe.cuts, recipe.exp_dir("few_shot_acoustics.npz"), study.num_jobs)
        for recipe in ([study.source] if study.is_same else [study.source, study.target])
    ]
    answered: list[dict[str, Any]] = []
    for fold in folds:
        mine = [one for one in rounds if one.fold == fold]
        folder = study.out / f"fold_{fold}"
        epoch = int(runs[fold].best.read_text(encoding="utf-8"))
        made_from = {
            "version": VERSION,
            "weights": sha256(checkpoint_path(runs[fold].path, epoch)),
            "cuts": [content_digest(cuts) for cuts in (source_cuts, target_cuts)],
            "folds": [sha256(study.source.fold_json(fold)), [[one.speaker, len(one.pool)] for one in mine]],
            "classes": classes,
        }
        _open_folder(folder, made_from)
        spaces = _spaces(study, runs[fold], fold, rounds, classes, acoustics, folder)
        answered += _answer_rounds(mine, spaces, len(classes), shots, study.num_draws, folder)
    result = {
        "source": _about(study.source, study.exp_dir.name),
        "target": _about(study.target, None),
        "is_same": study.is_same,
        "folds": folds,
        "seed": study.seed,
        "encoder": None if spec.encoder is None else spec.encoder.to_dict(),
        "task": task,
        "classes": classes,
        "num_speakers": len(rounds),
        "num_utterances": sum(len(one.scored) for one in rounds),
        "shots": shots,
        "skipped": {str(k): reason for k, reason in skipped.items()},
        "num_draws": study.num_draws,
        "methods": {method.name: method.about for method in METHODS},
        "rows": score_answers(answered, classes, shots),
        "speakers": answered,
        "command": study.command,
        "commit": git_commit(),
        "versions": package_versions(),
        "wall_seconds": time.monotonic() - started,
    }
    write_json(study.out / "few_shot.json", result)
    return result


def _about(recipe: Recipe, experiment: str | None) -> dict[str, Any]:
    about = {"corpus": recipe.conf.corpus.name, "protocol": describe_protocol(recipe.protocol)}
    return about if experiment is None else {**about, "experiment": experiment}


def _open_folder(folder: Path, made_from: dict[str, Any]) -> None:
    """Empty a folder whose answers were made from something else."""
    marker = folder / MADE_FROM
    if folder.exists() and (not marker.is_file() or read_json(marker) != made_from):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    update_json(marker, made_from)


def _spaces(
    study: FewShot,
    run: RunFolder,
    fold: int,
    rounds: Sequence[Round],
    classes: list[str],
    acoustics: Sequence[Acoustics],
    folder: Path,
) -> dict[str, Space]:
    """The spaces of a fold's run, made where they are not kept from an earlier time."""
    kept = folder / "spaces.npz"
    if kept.exists():
        return load_spaces(kept)
    parts = load_fold(study.source.folds_dir, fold)
    known = labelled_items(study.source, classes)
    train, valid = ([known[id_] for id_ in ids if id_ in known] for ids in (parts.train, parts.valid))
    for name, part in (("train", train), ("valid", valid)):
        if missing := next((n for i, n in enumerate(classes) if i not in {item.label for item in part}), None):
            raise InputError(f"the {name} part of fold {fold} of {study.source.protocol.name} has no {missing}")
    print(f"fold {fold}: training what the methods need on {len(train)} utterances of the source", flush=True)
    spaces = make_spaces(
        load_model(run.path)[0],
        classes,
        (study.source.features, train, valid, acoustics[0]),
        (study.target.features, needed(rounds, fold), acoustics[-1]),
        study.seed,
    )
    save_spaces(kept, spaces)
    return spaces


def _answer_rounds(
    rounds: Sequence[Round],
    spaces: dict[str, Space],
    num_classes: int,
    shots: list[int],
    num_draws: int,
    folder: Path,
) -> list[dict[str, Any]]:
    answered = []
    asked = {"shots": shots, "num_draws": num_draws}
    bar = progress_bar(enumerate(rounds), total=len(rounds), desc=f"{folder.name}: speakers", unit="speaker")
    for number, one in bar:
        path = folder / f"speaker_{number}.json"
        kept = read_json(path) if path.exists() else {}
        if kept.get("asked") != asked:
            kept = {"asked": asked, "answers": score_round(one, spaces, num_classes, shots, num_draws)}
            write_json(path, kept)
        answered.append(kept["answers"])
    return answered


def score_answers(
    answered: Sequence[dict[str, Any]], classes: Sequence[str], shots: Sequence[int]
) -> list[dict[str, Any]]:
    """Metrics of every method at every k, from what was answered for each speaker.

    A metric is computed per draw over all speakers and averaged; `_std` is its spread over draws, `_ci95` the interval
    over draws and speakers (`seq.score.intervals.crossed_intervals`).
    """
    rows = []
    speakers = [one["speaker"] for one in answered for _ in one["refs"]]
    refs = [classes[label] for one in answered for label in one["refs"]]
    for method in METHODS:
        for k in shots if method.adapt is not None else (0,):
            found = [one["answers"][method.name][str(k)] for one in answered]
            draws = [
                Classification(refs, [classes[label] for one in found for label in one[draw]], speakers, classes)
                for draw in range(len(found[0]))
            ]
            row: dict[str, Any] = {"method": method.name, "k": k, "num_draws": len(draws)}
            each = [draw.values(np.ones((1, len(draw.speakers)))) for draw in draws]
            for name, ends in crossed_intervals(draws).items():
                values = [value[name][0] for value in each]
                row |= {name: finite(np.mean(values)), f"{name}_ci95": ends}
                row[f"{name}_std"] = finite(np.std(values, ddof=1)) if len(values) > 1 else None
            rows.append(row)
    return rows

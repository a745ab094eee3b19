"""Which figures an experiment has: gathers what each one shows from its folder and draws it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seq.decode.embeddings import read_embeddings
from seq.errors import InputError
from seq.score.calibration import apply_temperature, fit_temperature, has_probabilities, probabilities
from seq.score.predictions import read_rows
from seq.score.types import Scores, task_scores
from seq.tasks.base import Task
from seq.tasks.predictions import CategoryPrediction, Prediction
from seq.tasks.registry import get_task, in_order, main_category
from seq.utils.files import read_jsonl
from seq.utils.run_folder import RunFolder

# Caption, and the PNG.
Figure = tuple[str, Path]
UNLABELLED = "unlabelled"


class Calibrated(NamedTuple):
    """A category task on test, pooled over runs, before and after each run's temperature, fitted on its own valid."""

    before: np.ndarray
    after: np.ndarray
    refs: np.ndarray
    temperatures: list[float]
    task: str


def runs_of(scores: Scores, exp_dir: Path) -> Iterator[RunFolder]:
    """The folder of each fold and seed."""
    for fold in (row["fold"] for row in scores["folds"]):
        for seed in scores["seeds"]:
            yield RunFolder.of(exp_dir, fold, seed)


def _rows(path: Path) -> list[Prediction]:
    return read_rows(path) if path.exists() else []


def _labels(scores: Scores, task: Task) -> list[str]:
    """The classes of a task; none where no utterance has a reference."""
    confusion = (task_scores(scores["pooled"], task.name) or {}).get("confusion")
    return confusion["labels"] if confusion else []


def calibrated(scores: Scores, exp_dir: Path) -> Calibrated | None:
    """The main category task's (N, C) probabilities before and after, (N,) reference classes, and temperatures.

    None where no run has probabilities for both parts.

    Raises:
        InputError: predictions are of other classes than the scores.
    """
    task = main_category(scores["tasks"])
    labels = _labels(scores, task) if task else []
    if task is None or not labels:
        return None
    before, after, refs, temperatures = [], [], [], []
    for run in runs_of(scores, exp_dir):
        parts = [_rows(run.valid_predictions), _rows(run.predictions)]
        if not all(has_probabilities(part, task.name) for part in parts):
            continue
        for part in parts:
            _check_classes(run, part, task.name, labels)
        (valid, valid_refs), (test, test_refs) = (probabilities(part, task.name, labels) for part in parts)
        if not len(valid_refs) or not len(test_refs):
            continue
        temperatures.append(fit_temperature(valid, valid_refs))
        before.append(test)
        after.append(apply_temperature(test, temperatures[-1]))
        refs.append(test_refs)
    if not temperatures:
        return None
    return Calibrated(np.concatenate(before), np.concatenate(after), np.concatenate(refs), temperatures, task.name)


def _check_classes(run: RunFolder, rows: Sequence[Prediction], task: str, labels: list[str]) -> None:
    """Raises InputError where the probabilities of a category task are not those of `labels`."""
    for row in rows:
        answer = row.tasks[task]
        if isinstance(answer, CategoryPrediction) and answer.probs and set(answer.probs) != set(labels):
            raise InputError(
                f"{run.path}: {row.id} has the probabilities of {', '.join(answer.probs)}, and scores.json the {task} "
                f"labels {', '.join(labels)}: run stage 7 again"
            )


def numbers(scores: Scores, exp_dir: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each task whose answers are numbers: (N,) references and (N,) answers on test, pooled over runs."""
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    tasks = in_order(scores["tasks"])
    for run in runs_of(scores, exp_dir):
        for row in _rows(run.predictions):
            for task in tasks:
                answer = row.tasks.get(task.name)
                if answer is None or answer.ref is None or (number := task.number(answer)) is None:
                    continue
                pairs[task.name].append((float(answer.ref), number))
    found = {task.name: np.array(pairs[task.name]) for task in tasks if pairs[task.name]}
    return {name: (both[:, 0], both[:, 1]) for name, both in found.items()}


def embeddings(run: RunFolder, task: Task | None) -> tuple[np.ndarray, list[str], list[str]] | None:
    """(N, D) embeddings of a run's test part with class and speaker of each; None where stage 6 wrote none."""
    vectors = read_embeddings(run.path)
    rows = [row for row in _rows(run.predictions) if row.id in vectors] if vectors else []
    if len(rows) < 3:
        return None
    answers = [row.tasks.get(task.name) if task else None for row in rows]
    classes = [(answer.ref if answer else None) or UNLABELLED for answer in answers]
    return np.stack([vectors[row.id] for row in rows]), classes, [row.speaker for row in rows]


def draw_figures(scores: Scores, exp_dir: Path, added: Sequence[Figure] = ()) -> list[Figure]:
    """Draw what the experiment has; returns all figures, those that the caller `added` among them."""
    return [
        *_draw_confusions(scores, exp_dir),
        *_draw_quality(scores, exp_dir),
        *added,
        *_draw_map(scores, exp_dir),
        *_draw_curves(scores, exp_dir),
    ]


def _name(scores: Scores) -> str:
    return f"{scores['corpus']}, {scores['protocol']['name']}"


def _draw_confusions(scores: Scores, exp_dir: Path) -> Iterator[Figure]:
    # matplotlib takes 0.3 s to import, and tables do not need it.
    from seq.report.plots import plot_confusion

    folds, seeds = len(scores["folds"]), len(scores["seeds"])
    for task in (task.name for task in in_order(scores["tasks"]) if task.by_class):
        confusion = (task_scores(scores["pooled"], task) or {}).get("confusion")
        if confusion:
            path = exp_dir / "figures" / f"confusion_{task}.png"
            title = f"{task}: {_name(scores)}, {folds} folds pooled" + (f", {seeds} seeds summed" if seeds > 1 else "")
            plot_confusion(confusion["labels"], confusion["counts"], title, path)
            yield f"Confusion of {task}, pooled over folds", path


def _draw_quality(scores: Scores, exp_dir: Path) -> Iterator[Figure]:
    from seq.report.plots_answers import plot_numbers, plot_reliability

    found = calibrated(scores, exp_dir)
    if found is not None:
        path = exp_dir / "figures" / "reliability.png"
        parts = {"as trained": found.before, "with temperature": found.after}
        plot_reliability(parts, found.refs, f"{found.task}: {_name(scores)}, test", path)
        yield "Reliability: how often an answer of a given confidence is right; temperature fitted on valid", path
    for task, (refs, values) in numbers(scores, exp_dir).items():
        path = exp_dir / "figures" / f"{task}.png"
        plot_numbers(refs, values, f"{task}: {_name(scores)}, test", path, get_task(task).limits)
        yield f"{task.capitalize()} against truth, pooled over folds", path


def _draw_map(scores: Scores, exp_dir: Path) -> Iterator[Figure]:
    """One run's: networks of different folds do not share a space."""
    from seq.report.plots_map import plot_map

    task = main_category(scores["tasks"])
    for run in runs_of(scores, exp_dir):
        found = embeddings(run, task)
        if found is not None:
            path = exp_dir / "figures" / "embeddings.png"
            where = "fold {}, seed {}".format(*run.fold_and_seed())
            vectors, classes, speakers = found
            colourings = {**({task.name: classes} if task else {}), "speaker": speakers}
            order = [*(_labels(scores, task) if task else []), UNLABELLED]
            plot_map(vectors, colourings, order, f"{_name(scores)}, test of {where}", path)
            how = " and ".join(f"by {name}" for name in colourings)
            yield f"Embeddings of the test part of {where}, {how}", path
            return


def _draw_curves(scores: Scores, exp_dir: Path) -> Iterator[Figure]:
    """Of the first task, which chooses the epoch."""
    from seq.report.plots import plot_curves

    histories = {}
    for run in runs_of(scores, exp_dir):
        if run.history.exists():
            histories[run.fold_and_seed()] = list(read_jsonl(run.history))
    if histories:
        task = in_order(scores["tasks"])[0]
        path = exp_dir / "figures" / "training_curves.png"
        plot_curves(histories, task, _name(scores), path)
        yield f"Loss and valid {task.main.metric} over epochs", path

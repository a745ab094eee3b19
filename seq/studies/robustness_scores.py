"""robustness.json: what an experiment's answers are worth under every condition, over its groups, and all in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from seq.data.conditions import CLEAN, CONDITIONS, Condition, condition_path, groups, made_from
from seq.errors import InputError
from seq.score.calibration import apply_temperature, calibration_error, fit_temperature, probabilities
from seq.score.doubt import Doubt, fit_doubt, valid_under_conditions
from seq.score.intervals import intervals, mean_values, method_name
from seq.score.predictions import read_rows
from seq.score.score import score_task
from seq.score.selective import Selective
from seq.score.types import TaskScores
from seq.studies.robustness_types import ConditionScores, Robustness
from seq.tasks.base import Outputs, Setting, Task
from seq.tasks.predictions import CategoryPrediction, Prediction
from seq.tasks.registry import in_order, main_category
from seq.tasks.statistics import Statistic, divide, finite
from seq.train.experiment import Experiment
from seq.utils.provenance import git_commit
from seq.utils.run_folder import DecodedPart, RunFolder


@dataclass(frozen=True)
class Answers:
    """The rows of all folds of one seed under one condition, in one order, and each row's confidence, and marks."""

    rows: list[Prediction]
    confidence: np.ndarray
    marked: np.ndarray
    probs: np.ndarray
    refs: np.ndarray
    # The conditions on valid that the marks were fitted on; none: clean speech.
    fitted_on: tuple[str, ...]

    @property
    def right(self) -> np.ndarray:
        return self.probs.argmax(axis=1) == self.refs


class OverGroups(Statistic):
    """A metric on clean speech, as the mean of every group's conditions, as the mean over groups, and as shares."""

    bounds: ClassVar[dict[str, tuple[float, float]]] = {}

    def __init__(self, metric: str, clean: Statistic, groups: Mapping[str, Sequence[Statistic]]) -> None:
        self.speakers = clean.speakers
        self._metric, self._clean, self._groups = metric, clean, groups
        names = [*groups, "mean"]
        # Shares may be above 1.
        limits = {name: clean.bounds[metric] for name in names}
        self.bounds = {**limits, **{f"{name} share": (0.0, np.inf) for name in names}}  # type: ignore[misc]

    def values(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Speaker weights (D, S) to the means and shares, each (D,)."""
        found = {
            name: np.mean([part.values(weights)[self._metric] for part in parts], axis=0)
            for name, parts in self._groups.items()
        }
        found["mean"] = np.mean(list(found.values()), axis=0)
        clean = self._clean.values(weights)[self._metric]
        return {**found, **{f"{name} share": divide(value, clean) for name, value in found.items()}}


def score_robustness(
    experiment: Experiment, folds: list[int], seeds: list[int], command: str, part: DecodedPart = "test"
) -> Robustness:
    """Score what `seq.studies.robustness.decode_conditions` wrote.

    Raises:
        InputError: predictions are missing, the network names no category, or its run was not decoded (stage 6).
    """
    found = read_answers(experiment, folds, seeds, part)
    setting = Setting(experiment.protocol, experiment.conf.corpus)
    tasks = [task for task in in_order(found[CLEAN][0].rows[0].tasks) if task.kind != "sequence"]
    main = _main(experiment, found[CLEAN][0].rows)
    outputs = main.outputs(setting)
    statistics = {
        condition: [_statistic(main, answers.rows, outputs) for answers in runs] for condition, runs in found.items()
    }
    by_group = groups()
    over = [
        OverGroups(
            main.main.metric,
            statistics[CLEAN][i],
            {name: [statistics[condition][i] for condition in members] for name, members in by_group.items()},
        )
        for i in range(len(seeds))
    ]
    means = _summary(over)
    clean = found[CLEAN]
    everything = _summary(
        [_all_answers([found[c][i] for c in CONDITIONS], clean[i], by_group) for i in range(len(seeds))]
    )
    return {
        "experiment": experiment.exp_dir.name,
        "corpus": experiment.conf.corpus.name,
        "protocol": experiment.protocol.name,
        "part": part,
        "folds": folds,
        "seeds": seeds,
        "command": command,
        "commit": git_commit(),
        "task": main.name,
        "metric": main.main.metric,
        "fitted_on": list(_common(found[CLEAN])),
        "interval": method_name(len(statistics[CLEAN][0].speakers)),
        "conditions": [
            _score(condition, runs, clean, tasks, setting, experiment.conf.augment.band_prob > 0)
            for condition, runs in found.items()
        ],
        "groups": {name: {key: means[full] for key, full in _keys(name)} for name in by_group},
        "overall": {**{key: means[full] for key, full in _keys("mean")}, **everything},
    }


def read_answers(
    experiment: Experiment, folds: list[int], seeds: list[int], part: DecodedPart
) -> dict[Condition, list[Answers]]:
    """Under every condition, the answers of each seed. Raises InputError as `score_robustness`."""
    _fit.cache_clear()
    return {
        condition: [_read(experiment, folds, seed, condition, part) for seed in seeds]
        for condition in (CLEAN, *CONDITIONS)
    }


def _keys(name: str) -> list[tuple[str, str]]:
    return [("value", name), ("value_ci95", f"{name}_ci95"), ("share", f"{name} share"),
            ("share_ci95", f"{name} share_ci95")]  # fmt: skip


def _score(
    condition: Condition,
    runs: Sequence[Answers],
    clean: Sequence[Answers],
    tasks: Sequence[Task],
    setting: Setting,
    has_telephones: bool,
) -> ConditionScores:
    scores = {task.name: score_task(task, [run.rows for run in runs], task.outputs(setting)) for task in tasks}
    return {
        "name": condition.name,
        "group": condition.group,
        "heard": condition.may_be_heard and has_telephones,
        "num_utterances": len(runs[0].rows),
        "tasks": {name: _brief(block) for name, block in scores.items()},
        "selective": _summary([_selective(own, before) for own, before in zip(runs, clean, strict=True)]),
        "ece": float(np.mean([calibration_error(run.probs, run.refs) for run in runs])),
    }


def _brief(block: TaskScores) -> TaskScores:
    """Less what is only of use where one condition is looked at by itself."""
    return {key: value for key, value in block.items() if key not in ("confusion", "speakers")}  # type: ignore[return-value]


def _summary(runs: Sequence[Statistic]) -> dict[str, Any]:
    """Means over runs, and their intervals, by name."""
    values = {name: finite(value[0]) for name, value in mean_values(runs, np.ones((1, len(runs[0].speakers)))).items()}
    return {**values, **{f"{name}_ci95": ends for name, ends in intervals(runs).items()}}


def _selective(own: Answers, clean: Answers) -> Selective:
    unchanged = own.probs.argmax(axis=1) == clean.probs.argmax(axis=1)
    return Selective([row.speaker for row in own.rows], own.right, own.confidence, own.marked, unchanged)


def _all_answers(runs: Sequence[Answers], clean: Answers, by_group: Mapping[str, Sequence[Condition]]) -> Selective:
    """Of all conditions together, in which every group counts once."""
    counts = [1 / len(by_group[condition.group]) for condition in CONDITIONS]
    kept = clean.probs.argmax(axis=1)
    return Selective(
        [row.speaker for run in runs for row in run.rows],
        np.concatenate([run.right for run in runs]),
        np.concatenate([run.confidence for run in runs]),
        np.concatenate([run.marked for run in runs]),
        np.concatenate([run.probs.argmax(axis=1) == kept for run in runs]),
        np.concatenate([np.full(len(run.rows), count) for run, count in zip(runs, counts, strict=True)]),
    )


def _main(experiment: Experiment, rows: Sequence[Prediction]) -> Task:
    main = main_category(rows[0].tasks)
    if main is None:
        raise InputError(f"{experiment.exp_dir} was trained for no category: there is no answer that could be marked")
    return main


def _statistic(task: Task, rows: Sequence[Prediction], outputs: Outputs) -> Statistic:
    return task.statistic([row.tasks[task.name] for row in rows], [row.speaker for row in rows], outputs)


def _read(experiment: Experiment, folds: Sequence[int], seed: int, condition: Condition, part: DecodedPart) -> Answers:
    """The answers of one seed, those without a reference left out; each fold has the temperature of its own valid."""
    parts: list[Answers] = []
    for fold in folds:
        run = RunFolder(experiment.run_dir(fold, seed))
        if not run.valid_predictions.is_file():
            raise InputError(f"{run.valid_predictions} is not there, and doubt is fitted on it: run stage 6 first")
        rows = read_rows(condition_path(run.path, condition, part))
        main = _main(experiment, rows)
        labels = main.outputs(Setting(experiment.protocol, experiment.conf.corpus)).labels
        rows = [row for row in rows if _has_answer(row, main.name)]
        temperature, doubt = _fit(run, main.name, labels, made_from(run.path, part)["weights"])
        probs, refs = probabilities(rows, main.name, labels)
        scaled = apply_temperature(probs, temperature)
        confidence = scaled.max(axis=1)
        parts.append(Answers(rows, confidence, confidence < doubt.threshold, scaled, refs, doubt.conditions))
    return Answers(
        [row for part in parts for row in part.rows],
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.marked for part in parts]),
        np.concatenate([part.probs for part in parts]),
        np.concatenate([part.refs for part in parts]),
        _common(parts),
    )


def _common(parts: Sequence[Answers]) -> tuple[str, ...]:
    """The conditions that the marks of all were fitted on."""
    return parts[0].fitted_on if all(part.fitted_on for part in parts) else ()


@lru_cache(maxsize=64)
def _fit(run: RunFolder, task: str, labels: tuple[str, ...], weights: str) -> tuple[float, Doubt]:
    """The temperature and the doubt that a run's valid part chooses."""
    valid = read_rows(run.valid_predictions)
    temperature = fit_temperature(*probabilities(valid, task, labels))
    return temperature, fit_doubt(valid, valid_under_conditions(run.path, weights), task, labels, temperature)


def _has_answer(row: Prediction, task: str) -> bool:
    found = row.tasks[task]
    return isinstance(found, CategoryPrediction) and bool(found.probs) and found.ref is not None

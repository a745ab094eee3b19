"""Stage 7: predictions.jsonl of every fold and seed, against the manifest and the folds, to scores.json.

The shape of scores.json is a contract (`seq.score.types`). Any other system is scored by the same
code: put its predictions at `<exp>/fold_<k>/seed_<s>/predictions.jsonl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from seq.conf import Conf
from seq.corpora.record import read_corpus_json
from seq.data.fold_files import choose_folds, fold_json, read_fold_parts, read_summary
from seq.data.folds import describe_protocol
from seq.decode.choice import read_records
from seq.errors import InputError
from seq.score.intervals import intervals, mean_values, method_name
from seq.score.predictions import Reference, read_predictions, read_references
from seq.score.shared import overlaps
from seq.score.types import FoldScores, PartScores, PooledScores, PoolScores, Scores, Spread, TaskScores, metric
from seq.tasks.base import Outputs, Setting, Task
from seq.tasks.predictions import Prediction
from seq.tasks.registry import all_tasks, in_order
from seq.tasks.statistics import Statistic, finite
from seq.train.record import RunRecord, read_record
from seq.utils.provenance import git_commit, package_versions
from seq.utils.run_folder import DecodedPart, RunFolder

# Architecture and settings are searched on this fold's valid part (see the design), so its test part is seen
# through that choice; the other folds are pooled by themselves too.
SEARCH_FOLD = 1


@dataclass(frozen=True)
class Scored:
    """Everything that says what is scored against what."""

    exp_dir: Path
    folds_dir: Path
    setting: Setting
    references: dict[str, Reference]
    folds: list[int]
    seeds: list[int]

    def run(self, fold: int, seed: int) -> RunFolder:
        """The folder of one training run."""
        return RunFolder.of(self.exp_dir, fold, seed)

    @cached_property
    def records(self) -> list[RunRecord]:
        """run.json of every run that has one, with its fold and seed."""
        units = [(fold, seed) for fold in self.folds for seed in self.seeds]
        paths = {unit: self.run(*unit).run_json for unit in units}
        return [{"fold": fold, "seed": seed, **read_record(p)} for (fold, seed), p in paths.items() if p.exists()]


def statistic(task: Task, rows: Sequence[Prediction], outputs: Outputs) -> Statistic | None:
    """What is needed to score `task` on the rows that have a reference for it; None if none has."""
    rows = [row for row in rows if row.tasks[task.name].ref is not None]
    if not rows:
        return None
    answers, speakers = [row.tasks[task.name] for row in rows], [row.speaker for row in rows]
    return task.statistic(answers, speakers, outputs)


def score_task(task: Task, runs: Sequence[Sequence[Prediction]], outputs: Outputs) -> TaskScores:
    """Score one task: metrics are computed per run (seed) and averaged, counts are summed over runs."""
    found = [statistic(task, rows, outputs) for rows in runs]
    stats = [stat for stat in found if stat is not None]
    if len(stats) < len(found):
        metrics = dict.fromkeys(column.metric for column in task.columns if not column.is_optional)
        return cast("TaskScores", {"n": 0, "num_speakers": 0, **metrics})
    speakers = stats[0].speakers
    everyone = np.ones((1, len(speakers)))
    number = sum(row.tasks[task.name].ref is not None for row in runs[0])
    block: dict[str, Any] = {"n": number, "num_speakers": len(speakers)}
    means = mean_values(stats, everyone)
    block |= {name: finite(value[0]) for name, value in means.items()}
    block |= {f"{name}_ci95": ends for name, ends in intervals(stats).items()}
    block["interval"] = method_name(len(speakers))
    if len(runs) > 1:
        per_seed = [{name: value[0] for name, value in stat.values(everyone).items()} for stat in stats]
        block["seed_std"] = {name: finite(np.std([v[name] for v in per_seed], ddof=1)) for name in means}
    block |= stats[0].details(stats)
    each = mean_values(stats, np.eye(len(speakers)))
    block["speakers"] = {
        speaker: {name: finite(value[i]) for name, value in each.items()} for i, speaker in enumerate(speakers)
    }
    return cast("TaskScores", block)


def score_part(experiment: Scored, part: DecodedPart) -> PartScores | None:
    """Score one part of all folds and seeds; None if no run has predicted it.

    Raises:
        InputError: some runs have the file and others lack it, or see `read_predictions`.
    """
    runs = [experiment.run(fold, seed) for fold in experiment.folds for seed in experiment.seeds]
    if not any(run.predictions_of(part).exists() for run in runs):
        return None
    runs_of_folds: dict[int, list[list[Prediction]]] = {}
    parts_of_folds = {fold: _read_fold(experiment, fold) for fold in experiment.folds}
    for fold in experiment.folds:
        ids = parts_of_folds[fold][part]
        runs_of_folds[fold] = [_read_run(experiment, fold, seed, part, ids) for seed in experiment.seeds]
    tasks = _common_tasks(experiment, [rows for runs in runs_of_folds.values() for rows in runs])

    def pool(folds: Sequence[int]) -> PooledScores:
        runs = [[row for fold in folds for row in runs_of_folds[fold][i]] for i in range(len(experiment.seeds))]
        speakers = {row.speaker for row in runs[0]}
        shared = overlaps([parts_of_folds[fold] for fold in folds], part, experiment.references)
        scores = {task.name: score_task(task, runs, task.outputs(experiment.setting)) for task in tasks}
        sizes = {"num_utterances": len(runs[0]), "num_speakers": len(speakers)}
        return cast("PooledScores", {**sizes, **scores, **shared})

    rows = [cast("FoldScores", {"fold": fold, **pool([fold])}) for fold in experiment.folds]
    others = [fold for fold in experiment.folds if fold != SEARCH_FOLD]
    return {
        "pooled": pool(experiment.folds),
        "pooled_without_search": pool(others) if 0 < len(others) < len(rows) else None,
        "folds": rows,
        "mean_std": {task.name: _mean_std(task, rows) for task in tasks},
    }


def _read_run(experiment: Scored, fold: int, seed: int, part: DecodedPart, ids: Sequence[str]) -> list[Prediction]:
    path = experiment.run(fold, seed).predictions_of(part)
    return read_predictions(path, ids, experiment.references, experiment.setting, seed)


def _common_tasks(experiment: Scored, runs: Sequence[Sequence[Prediction]]) -> list[Task]:
    """The tasks of all runs; one that a run could not learn, as it says itself, is scored in none."""
    masked = {name for run in experiment.records for name in run.get("masked", {})}
    tasks = [set(rows[0].tasks) - masked for rows in runs if rows]
    if any(others != tasks[0] for others in tasks):
        raise InputError(f"the runs of {experiment.exp_dir} do not have the same tasks: score them as two experiments")
    return in_order(tasks[0]) if tasks else []


def _read_fold(experiment: Scored, fold: int) -> dict[str, list[str]]:
    path = fold_json(experiment.folds_dir, fold)
    found = read_fold_parts(experiment.folds_dir, fold)
    if found["protocol"] != experiment.setting.protocol.name:
        raise InputError(
            f"{path} is of protocol {found['protocol']}, not {experiment.setting.protocol.name}: run stage 3"
        )
    parts = {"train": found["train"], "valid": found["valid"], "test": found["test"]}
    if not parts["test"]:
        raise InputError(f"{path} tests nothing, so there is nothing to score: end with --stop-stage 6")
    for part, ids in parts.items():
        unknown = next((key for key in ids if key not in experiment.references), None)
        if unknown is not None:
            raise InputError(f"{path}: {unknown} ({part}) is not in the cuts manifest: run stage 3 again")
    return parts


def _mean_std(task: Task, folds: Sequence[PoolScores]) -> dict[str, Spread]:
    """Mean and sample standard deviation over the folds that define the metric."""
    result: dict[str, Spread] = {}
    for column in task.columns:
        found = [metric(fold, task.name, column.metric) for fold in folds]
        values = [value for value in found if value is not None]
        if values or not column.is_optional:
            result[column.metric] = {
                "mean": float(np.mean(values)) if values else None,
                "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            }
    return result


def score_experiment(
    conf: Conf,
    protocol_name: str | None,
    cuts: Path,
    folds_dir: Path,
    exp_dir: Path,
    folds: Sequence[int] = (),
    seeds: Sequence[int] = (0,),
    command: str = "",
    corpus_json: Path | None = None,
) -> Scores:
    """What scores.json holds of an experiment; empty `folds` means all of the protocol.

    Metrics are fractions; "valid" is None where no run has valid_predictions.jsonl.

    Raises:
        InputError: predictions are missing or do not answer exactly the test set; see `read_predictions`.
    """
    protocol = conf.protocol(protocol_name)
    setting = Setting(protocol, conf.corpus)
    chosen = choose_folds(folds_dir, sorted(set(folds)))
    summary = read_summary(folds_dir)
    about = read_corpus_json(corpus_json) if corpus_json and corpus_json.exists() else None
    experiment = Scored(
        exp_dir=exp_dir,
        folds_dir=folds_dir,
        setting=setting,
        references=read_references(cuts, setting),
        folds=chosen,
        seeds=sorted(set(seeds)),
    )
    scores = score_part(experiment, "test")
    if scores is None:
        raise InputError(f"{exp_dir} has no fold_<k>/seed_<s>/predictions.jsonl of these folds and seeds: run stage 6")
    runs = experiment.records
    decoded = [experiment.run(fold, seed).path for fold in experiment.folds for seed in experiment.seeds]
    backends = sorted({backend for run in runs if (backend := run.get("ctc_backend"))})
    found = {
        "corpus": conf.corpus.name,
        "protocol": {
            **describe_protocol(protocol),
            "num_folds": summary.num_folds,
            "emotions": protocol.emotions,
        },
        "tasks": [task.name for task in all_tasks() if task.name in scores["pooled"]],
        "seeds": experiment.seeds,
        "command": command,
        "commit": git_commit(),
        "versions": package_versions(),
        "ctc_backend": ", ".join(backends) or None,
        "unit": conf.lang.unit,
        "decoding": read_records(decoded),
        "partial": about.get("partial") if about else None,
        # What a partial copy lacks, and what that costs the folds, a sentence each.
        "missing": [*([lost] if about and (lost := about.get("missing")) else []), *summary.describe()],
        "wall_seconds": sum(run.get("wall_seconds", 0.0) for run in runs) if runs else None,
        "peak_rss_mib": max(run.get("peak_rss_mib", 0.0) for run in runs) if runs else None,
        **scores,
        "valid": score_part(experiment, "valid"),
        "runs": runs,
    }
    return cast("Scores", found)

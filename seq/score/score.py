"""Stage 7: predictions.jsonl of every fold and seed, against the manifest and the folds, to scores.json.

The shape of scores.json is a contract (`score_experiment` describes it). Any other system is scored by the same
code: put its predictions at `<exp>/fold_<k>/seed_<s>/predictions.jsonl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seq.conf import TASKS, Conf, ProtocolConf
from seq.data.fold_files import choose_folds, read_summary
from seq.data.folds import describe_protocol
from seq.decode.choice import read_records
from seq.errors import InputError
from seq.labels import corpus_anchors
from seq.score.intervals import intervals, mean_values, method_name
from seq.score.predictions import GENDERS, Reference, Row, read_predictions, read_references
from seq.tasks.metrics import Accuracy, Classification, Intensity, PhoneErrors, Statistic, text_overlap
from seq.utils.files import read_json
from seq.utils.provenance import git_commit, package_versions

MAIN_METRICS = {
    "emotion": tuple(Classification.bounds),
    "intensity": tuple(Intensity.bounds),
    "gender": tuple(Accuracy.bounds),
    "phone": tuple(PhoneErrors.bounds),
}

# Architecture and settings are searched on this fold's valid part (see the design), so its test part is seen
# through that choice; the other folds are pooled by themselves too.
SEARCH_FOLD = 1


@dataclass(frozen=True)
class Experiment:
    """Everything that says what is scored against what."""

    exp_dir: Path
    folds_dir: Path
    protocol: ProtocolConf
    levels: tuple[float, ...]
    references: dict[str, Reference]
    folds: list[int]
    seeds: list[int]

    def run_dir(self, fold: int, seed: int) -> Path:
        """The folder of one training run."""
        return self.exp_dir / f"fold_{fold}" / f"seed_{seed}"


def statistic(task: str, rows: Sequence[Row], experiment: Experiment) -> Statistic | None:
    """What is needed to score `task` on the rows that have a reference for it; None if none has."""
    rows = [row for row in rows if row[task]["ref"] is not None]
    if not rows:
        return None
    truth = [experiment.references[row["id"]] for row in rows]
    speakers = [reference.speaker for reference in truth]
    hyps = [row[task]["hyp"] for row in rows]
    if task == "emotion":
        return Classification([t.emotion for t in truth], hyps, speakers, experiment.protocol.emotions)
    if task == "gender":
        return Accuracy([t.gender for t in truth], hyps, speakers, GENDERS)
    if task == "intensity":
        values = [row[task]["value"] for row in rows]
        return Intensity([t.intensity for t in truth], hyps, values, speakers, experiment.levels)
    return PhoneErrors([row[task]["ref"] for row in rows], hyps, speakers)


def _number(value: float) -> float | None:
    """JSON has no NaN: an undefined metric is null."""
    return float(value) if np.isfinite(value) else None


def score_task(task: str, runs: Sequence[Sequence[Row]], experiment: Experiment) -> dict[str, Any]:
    """Score one task: metrics are computed per run (seed) and averaged, counts are summed over runs."""
    stats = [statistic(task, rows, experiment) for rows in runs]
    if any(stat is None for stat in stats):
        return {"n": 0, "num_speakers": 0, **dict.fromkeys(MAIN_METRICS[task])}
    speakers = stats[0].speakers
    everyone = np.ones((1, len(speakers)))
    block: dict[str, Any] = {"n": sum(row[task]["ref"] is not None for row in runs[0]), "num_speakers": len(speakers)}
    block |= {name: _number(value[0]) for name, value in mean_values(stats, everyone).items()}
    block |= {f"{name}_ci95": ends for name, ends in intervals(stats).items()}
    block["interval"] = method_name(len(speakers))
    if len(runs) > 1:
        per_seed = [{name: value[0] for name, value in stat.values(everyone).items()} for stat in stats]
        block["seed_std"] = {name: _number(np.std([v[name] for v in per_seed], ddof=1)) for name in per_seed[0]}
    if isinstance(stats[0], Classification):
        labels = stats[0].labels
        recall = np.mean([stat.recall() for stat in stats], axis=0)
        block["recall"] = {label: _number(value) for label, value in zip(labels, recall, strict=True)}
        block["confusion"] = {"labels": labels, "counts": sum(stat.confusion for stat in stats).tolist()}
    else:
        block |= {name: sum(stat.counts()[name] for stat in stats) for name in stats[0].counts()}
    each = mean_values(stats, np.eye(len(speakers)))
    block["speakers"] = {
        speaker: {name: _number(value[i]) for name, value in each.items()} for i, speaker in enumerate(speakers)
    }
    return block


def score_part(experiment: Experiment, part: str, file_name: str) -> dict[str, Any] | None:
    """Score one part ("test", "valid") of all folds and seeds.

    Returns {"pooled", "pooled_without_search", "folds", "mean_std"}, or None if no run has `file_name`.

    Raises:
        InputError: some runs have the file and others lack it, or see `read_predictions`.
    """
    paths = [experiment.run_dir(fold, seed) / file_name for fold in experiment.folds for seed in experiment.seeds]
    if not any(path.exists() for path in paths):
        return None
    runs_of_folds: dict[int, list[list[Row]]] = {}
    overlaps: dict[int, tuple[int, int]] = {}
    for fold in experiment.folds:
        parts = _read_fold(experiment, fold)
        runs_of_folds[fold] = [_read_run(experiment, fold, seed, file_name, parts[part]) for seed in experiment.seeds]
        overlaps[fold] = text_overlap(*(_sentences(experiment, parts[name]) for name in (part, "train")))
    tasks = _common_tasks(experiment, [rows for runs in runs_of_folds.values() for rows in runs])

    def pool(folds: Sequence[int]) -> dict[str, Any]:
        runs = [[row for fold in folds for row in runs_of_folds[fold][i]] for i in range(len(experiment.seeds))]
        speakers = {experiment.references[row["id"]].speaker for row in runs[0]}
        seen, total = (sum(overlaps[fold][i] for fold in folds) for i in range(2))
        scores = {task: score_task(task, runs, experiment) for task in tasks}
        overlap = seen / total if total else None
        return {"num_utterances": len(runs[0]), "num_speakers": len(speakers), **scores, "text_overlap": overlap}

    rows = [{"fold": fold, **pool([fold])} for fold in experiment.folds]
    others = [fold for fold in experiment.folds if fold != SEARCH_FOLD]
    return {
        "pooled": pool(experiment.folds),
        "pooled_without_search": pool(others) if 0 < len(others) < len(rows) else None,
        "folds": rows,
        "mean_std": {task: _mean_std(task, rows) for task in tasks},
    }


def _read_run(experiment: Experiment, fold: int, seed: int, file_name: str, ids: Sequence[str]) -> list[Row]:
    path = experiment.run_dir(fold, seed) / file_name
    return read_predictions(path, ids, experiment.references, experiment.protocol, experiment.levels, seed)


def _common_tasks(experiment: Experiment, runs: Sequence[Sequence[Row]]) -> list[str]:
    tasks = [[task for task in TASKS if task in rows[0]] for rows in runs if rows]
    if any(others != tasks[0] for others in tasks):
        raise InputError(f"the runs of {experiment.exp_dir} do not have the same tasks: score them as two experiments")
    return tasks[0] if tasks else []


def _read_fold(experiment: Experiment, fold: int) -> dict[str, list[str]]:
    path = experiment.folds_dir / f"fold_{fold}.json"
    parts = read_json(path)
    if parts.get("protocol") != experiment.protocol.name:
        raise InputError(f"{path} is of protocol {parts.get('protocol')}, not {experiment.protocol.name}: run stage 3")
    for part in ("train", "valid", "test"):
        unknown = next((key for key in parts[part] if key not in experiment.references), None)
        if unknown is not None:
            raise InputError(f"{path}: {unknown} ({part}) is not in the cuts manifest: run stage 3 again")
    return parts


def _sentences(experiment: Experiment, ids: Sequence[str]) -> list[str]:
    sentences = (experiment.references[key].sentence for key in ids)
    return [sentence for sentence in sentences if sentence is not None]


def _mean_std(task: str, folds: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Mean and sample standard deviation over the folds that define the metric."""
    result = {}
    for name in MAIN_METRICS[task]:
        values = [fold[task][name] for fold in folds if fold[task][name] is not None]
        result[name] = {
            "mean": float(np.mean(values)) if values else None,
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        }
    return result


def _runs(experiment: Experiment) -> list[dict[str, Any]]:
    """run.json of every run that has one, with its fold and seed."""
    runs = [(fold, seed) for fold in experiment.folds for seed in experiment.seeds]
    paths = {run: experiment.run_dir(*run) / "run.json" for run in runs}
    return [{"fold": run[0], "seed": run[1], **read_json(path)} for run, path in paths.items() if path.exists()]


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
) -> dict[str, Any]:
    """Score an experiment; empty `folds` means all of the protocol.

    Returns the contents of scores.json: "pooled", "pooled_without_search" (all folds but `SEARCH_FOLD`) and
    "folds"[] (metrics as fractions, per task, with intervals, the number of utterances used "n", confusion counts
    and per-speaker values), "mean_std" over folds; the same under "valid" where valid_predictions.jsonl exists
    (None elsewhere); and where it all comes from.

    Raises:
        InputError: predictions are missing or do not answer exactly the test set; see `read_predictions`.
    """
    protocol = conf.protocol(protocol_name)
    chosen = choose_folds(folds_dir, sorted(set(folds)))
    summary = read_summary(folds_dir)
    about = read_json(corpus_json) if corpus_json and corpus_json.exists() else {}
    experiment = Experiment(
        exp_dir=exp_dir,
        folds_dir=folds_dir,
        protocol=protocol,
        levels=corpus_anchors(conf.corpus),
        references=read_references(cuts, protocol),
        folds=chosen,
        seeds=sorted(set(seeds)),
    )
    scores = score_part(experiment, "test", "predictions.jsonl")
    if scores is None:
        raise InputError(f"{exp_dir} has no fold_<k>/seed_<s>/predictions.jsonl of these folds and seeds: run stage 6")
    runs = _runs(experiment)
    decoded = [experiment.run_dir(fold, seed) for fold in experiment.folds for seed in experiment.seeds]
    backends = sorted({run["ctc_backend"] for run in runs if run.get("ctc_backend")})
    return {
        "corpus": conf.corpus.name,
        "protocol": {
            **describe_protocol(protocol),
            "num_folds": summary.num_folds,
            "emotions": protocol.emotions,
        },
        "tasks": [task for task in TASKS if task in scores["pooled"]],
        "seeds": experiment.seeds,
        "command": command,
        "commit": git_commit(),
        "versions": package_versions(),
        "ctc_backend": ", ".join(backends) or None,
        "unit": conf.lang.unit,
        "decoding": read_records(decoded),
        "partial": about.get("partial"),
        # What a partial copy lacks, and what that costs the folds, a sentence each.
        "missing": [about["missing"], *summary.describe()] if about.get("missing") else summary.describe(),
        "wall_seconds": sum(run.get("wall_seconds", 0.0) for run in runs) if runs else None,
        "peak_rss_mib": max(run.get("peak_rss_mib", 0.0) for run in runs) if runs else None,
        **scores,
        "valid": score_part(experiment, "valid", "valid_predictions.jsonl"),
        "runs": runs,
    }

"""scores.json, typed. Its shape is a contract: others read it.

A pool of utterances (all, or a fold's) has a block per task beside its own keys, and a block has a number per metric
of the task (`Task.columns`) beside its own; which these are only the registry knows: the functions below read them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict, cast

from seq.decode.choice import DecodeRecord
from seq.errors import InputError
from seq.tasks.base import Task
from seq.tasks.registry import in_order
from seq.train.record import RunRecord
from seq.utils.files import read_json
from seq.utils.typed_values import read_typed

# A 95 % interval, low and high.
Ends = list[float]
# A metric of one speaker or of one run; None where it is undefined.
Metrics = dict[str, float | None]


class Confusion(TypedDict):
    """Counts (K, K), rows reference, summed over seeds."""

    labels: list[str]
    counts: list[list[int]]


class TaskScores(TypedDict, total=False):
    """One task; beside these keys `<metric>` and `<metric>_ci95` (`metric`, `ends`), and what the task counts."""

    # Utterances that have a reference, and their speakers; where there are none, the metrics alone follow, null.
    n: int
    num_speakers: int
    # How intervals were made (`seq.score.intervals.method_name`).
    interval: str
    seed_std: Metrics
    recall: Metrics
    confusion: Confusion
    speakers: dict[str, Metrics]


class PoolScores(TypedDict):
    """Utterances that are scored together; beside these keys a block per task (`task_scores`)."""

    num_utterances: int


class _Overlaps(TypedDict, total=False):
    # The share of distinct sentences, and of speakers, that are in train of their fold, too; older ones lack it.
    text_overlap: float | None
    speaker_overlap: float | None


class PooledScores(PoolScores, _Overlaps):
    """Those of all folds, or of some."""

    num_speakers: int


class FoldScores(PooledScores):
    """Those of one fold."""

    fold: int


class Spread(TypedDict):
    """Over folds; None where no fold, or for the deviation only one, has the metric."""

    mean: float | None
    std: float | None


class PartScores(TypedDict):
    """The test part, or the valid part."""

    pooled: PooledScores
    # All folds but the one that settings were searched on; None where that is none or all.
    pooled_without_search: PooledScores | None
    folds: list[FoldScores]
    # By task and metric.
    mean_std: dict[str, dict[str, Spread]]


class ProtocolScores(TypedDict):
    """What the protocol is."""

    name: str
    description: str
    speaker_disjoint: bool
    num_folds: int
    emotions: list[str]


class About(TypedDict):
    """Where scores come from."""

    corpus: str
    protocol: ProtocolScores
    tasks: list[str]
    seeds: list[int]
    command: str
    commit: str | None
    versions: dict[str, str | None]
    partial: bool | None
    # What a partial copy lacks, and what that costs the folds, a sentence each.
    missing: list[str]
    wall_seconds: float | None


class _Made(TypedDict):
    ctc_backend: str | None
    # `lang.unit`.
    unit: str
    # What stage 6 noted of every run (`seq.decode.choice`).
    decoding: list[DecodeRecord]
    peak_rss_mib: float | None
    valid: PartScores | None
    runs: list[RunRecord]


class _Unified(TypedDict, total=False):
    # Of egs/unified: `seq.unified.score.CorporaScores`, which stands above this package.
    corpora: Any


class Scores(About, PartScores, _Made, _Unified):
    """scores.json of an experiment."""


def task_scores(pool: PoolScores, task: str) -> TaskScores | None:
    """The block of a task; None where it was not scored."""
    return cast("dict[str, Any]", pool).get(task)


def metric(pool: PoolScores, task: str, name: str) -> float | None:
    """A metric of a task; None where it was not scored, or has no reference."""
    return cast("dict[str, Any]", task_scores(pool, task) or {}).get(name)


def ends(pool: PoolScores, task: str, name: str) -> Ends | None:
    """The 95 % interval of a metric; None where there is none."""
    return cast("dict[str, Any]", task_scores(pool, task) or {}).get(f"{name}_ci95")


def read_scores(path: Path) -> Scores:
    """The scores.json at `path`. Raises InputError, naming it, where it is not what stage 7 writes."""
    complaint = f"{path} is not what stage 7 writes, run it again"
    scores = read_typed(read_json(path), Scores, complaint)
    parts: list[PartScores] = [scores, *([scores["valid"]] if scores["valid"] else [])]
    for part in parts:
        for pool in (part["pooled"], part["pooled_without_search"], *part["folds"]):
            for task in in_order(scores["tasks"]) if pool is not None else []:
                _check_block(cast("dict[str, Any]", pool).get(task.name), task, f"{complaint}: {task.name}")
    return scores


def _check_block(block: Any, task: Task, complaint: str) -> None:
    """Refuse the block of a task, if it was scored, whose metrics, intervals or confusions are none."""
    if block is None:
        return
    read_typed(block, TaskScores, complaint)
    names = [column.metric for column in task.columns]
    read_typed({name: block.get(name) for name in names}, dict[str, float | None], complaint)
    intervals = {f"{name}_ci95": block.get(f"{name}_ci95") for name in names}
    for name, found in read_typed(intervals, dict[str, Ends | None], complaint).items():
        if found is not None and len(found) != 2:
            raise InputError(f"{complaint}.{name} has {len(found)} ends")
    if confusion := block.get("confusion"):
        sizes = {len(confusion["counts"]), *map(len, confusion["counts"])}
        if sizes != {len(confusion["labels"])}:
            raise InputError(f"{complaint}.confusion has not as many rows and columns as labels")

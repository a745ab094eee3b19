"""scores.json, typed. Its shape is a contract: others read it.

A pool of utterances (all, or a fold's) has a block per task beside its own keys, and a block has a number per metric
of the task (`Task.columns`) beside its own; which these are only the registry knows: the functions below read them.
"""

from __future__ import annotations

from typing import Any, TypedDict, cast

from seq.decode.choice import DecodeRecord
from seq.train.record import RunRecord

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


class PooledScores(PoolScores):
    """Those of all folds, or of some."""

    num_speakers: int
    # The share of distinct sentences, and of speakers, that are in train of their fold, too.
    text_overlap: float | None
    speaker_overlap: float | None


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

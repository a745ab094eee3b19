"""Folds and seeds side by side, a process each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from seq.train.experiment import Experiment
from seq.utils.pool import pool_map


def run_jobs(
    function: Callable[[Experiment, int, int, int], object],
    experiment: Experiment,
    jobs: list[tuple[int, int]],
    num_jobs: int,
) -> None:
    """Call `function(experiment, fold, seed, row)` for every job, `num_jobs` at a time, one process each."""
    num_jobs = min(num_jobs, len(jobs))
    numbered = [(*job, row % max(num_jobs, 1)) for row, job in enumerate(jobs)]
    for _ in pool_map(partial(_run_job, function, experiment), numbered, num_jobs):
        pass


def _run_job(
    function: Callable[[Experiment, int, int, int], object], experiment: Experiment, job: tuple[int, int, int]
) -> object:
    return function(experiment, *job)

"""Folds and seeds side by side, a process each, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from seq.train.experiment import Experiment
from seq.utils.pool import Workers, pool_map
from seq.utils.progress import progress_bar


def run_jobs(
    function: Callable[[Experiment, int, int, int], object],
    experiment: Experiment,
    jobs: list[tuple[int, int]],
    workers: Workers,
) -> None:
    """Call `function(experiment, fold, seed, row)` for every job, as many at a time as there are workers.

    Args:
        workers: rows are theirs, from 0, where each has a process here; of a cluster there is one bar for all.
    """
    if isinstance(workers, int):
        workers = min(workers, len(jobs))
    num_rows = max(workers, 1) if isinstance(workers, int) else 1
    numbered = [(*job, number % num_rows) for number, job in enumerate(jobs)]
    done = pool_map(partial(_run_job, function, experiment), numbered, workers, folder=experiment.exp_dir)
    for _ in progress_bar(done, total=len(jobs), desc="runs", unit="run") if isinstance(workers, str) else done:
        pass


def _run_job(
    function: Callable[[Experiment, int, int, int], object], experiment: Experiment, job: tuple[int, int, int]
) -> object:
    return function(experiment, *job)

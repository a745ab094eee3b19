"""Folds and seeds side by side, a process each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed

from seq.train.experiment import Experiment
from seq.utils.process import die_with_parent


def run_jobs(
    function: Callable[[Experiment, int, int, int], object],
    experiment: Experiment,
    jobs: list[tuple[int, int]],
    num_jobs: int,
) -> None:
    """Call `function(experiment, fold, seed, row)` for every job, `num_jobs` at a time, one process each."""
    if num_jobs == 1 or len(jobs) == 1:
        for fold, seed in jobs:
            function(experiment, fold, seed, 0)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(num_jobs, len(jobs)), mp_context=context, initializer=die_with_parent) as pool:
        futures = [pool.submit(function, experiment, *job, i % num_jobs) for i, job in enumerate(jobs)]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

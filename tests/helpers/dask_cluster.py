"""A Dask scheduler and workers as processes of their own, whose workers can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0


class DaskCluster:
    """A scheduler, and workers of one thread each that their nanny starts again when they die."""

    def __init__(self, folder: Path, num_workers: int) -> None:
        self.num_workers = num_workers
        self.scheduler_file = folder / "scheduler.json"
        # Every death of a worker is one that Dask gives its task up for, where it would forgive three.
        environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0", "PYTHONPATH": str(ROOT)}
        self._log = open(folder / "dask.log", "wb")  # noqa: SIM115

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(self.scheduler_file)]
            command += ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
            return subprocess.Popen(command, env=environment, cwd=folder, stdout=self._log, stderr=self._log)

        self.scheduler = start("scheduler", "--port", "0")
        workers = ("--nworkers", str(num_workers), "--nthreads", "1", "--local-directory", str(folder))
        self.nanny = start("worker", *workers)

    def workers(self) -> list[int]:
        """The processes of the workers that are there."""
        return _children(self.nanny.pid, "spawn_main")

    def processes(self) -> list[int]:
        """The processes that work for them, each of its own worker."""
        return [pid for worker in self.workers() for pid in _children(worker, "seq.utils.cluster.process")]

    def wait(self) -> None:
        """Until all workers are there."""
        from distributed import Client

        deadline = time.monotonic() + START_SECONDS
        while not self.scheduler_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with Client(scheduler_file=str(self.scheduler_file)) as client:
            client.wait_for_workers(self.num_workers, timeout=START_SECONDS)

    def stop(self) -> None:
        """End all of it; workers end with their nanny."""
        for process in (self.nanny, self.scheduler):
            process.kill()
            process.wait()
        self._log.close()


def _children(pid: int, words: str) -> list[int]:
    """The children of a process whose command says these words."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                found += [child.pid] * (words in " ".join(child.cmdline()))
    return found


@contextmanager
def dask_cluster(folder: Path, num_workers: int = 2) -> Iterator[DaskCluster]:
    """A cluster that is ready."""
    cluster = DaskCluster(folder, num_workers)
    try:
        cluster.wait()
        yield cluster
    finally:
        cluster.stop()

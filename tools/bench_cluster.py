#!/usr/bin/env python3
"""Train folds by processes side by side, and by as many Dask workers of one core each or ranks: time, differences.

Usage:
    tools/bench_cluster.py --recipe egs/ravdess [--folds 1,2,3,4,5,6] [--workers 2] [--ranks] [--turn-seconds 6] \\
        [--kills 20 [--kill-seconds 60]] [--model scratch] [--set train.num_epochs=2 ...]

In:   a recipe whose stages 0 to 4 are done
Out:  seconds of stage 5 by each, and as a share; how many workers were killed (kill -9, at random moments) and how many
      checkpoints of Dask's differ from those of processes; exit code 1 if any does. Ranks (torchrun) train one fold
      after the other, of which each batch is shared between them, which gives other checkpoints. The two go on by
      turns, one stopped while the other has the machine, so that a machine that slows down is the same for both. The
      experiments bench_processes, bench_cluster and bench_ranks of the recipe are removed first, and stay.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from seq.errors import InputError
from seq.recipe.arguments import open_recipe, recipe_parser
from seq.recipe.recipe import Recipe
from seq.utils.script import run_main
from tools.kill_test import Step, digests

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120.0


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
        # After `--help`: Dask is an extra.
        from seq.utils.cluster.client import connect

        deadline = time.monotonic() + START_SECONDS
        while not self.scheduler_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with connect(str(self.scheduler_file)) as client:
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


def results(exp_dir: Path) -> dict[str, str]:
    """Digests of the checkpoints of an experiment, by relative path."""
    found = digests(Step("", [], [], sorted(exp_dir.glob("fold_*/seed_*/*.pt"))))
    return {os.path.relpath(name, exp_dir): digest for name, digest in found.items()}


def stage_5(recipe: Recipe, args: argparse.Namespace, name: str, options: Sequence[str]) -> list[str]:
    """The command that trains into an empty experiment."""
    shutil.rmtree(recipe.exp_dir(name), ignore_errors=True)
    command = [str(recipe.folder / "run.sh"), "--stage", "5", "--stop-stage", "5", "--exp-name", name, *options]
    command += ["--conf", str(args.conf.resolve()), "--model", recipe.conf.model_name]
    command += ["--protocol", recipe.protocol.name, "--folds", args.folds, "--seeds", args.seeds, "--device", "cpu"]
    return command + [part for value in args.overrides for part in ("--set", value)]


class Turn:
    """A command that goes on now and then, with all that works for it."""

    def __init__(self, command: list[str], nanny: int | None = None) -> None:
        self.command = command
        self.seconds = 0.0
        self.ended = False
        self._nanny = nanny
        self._process: subprocess.Popen[bytes] | None = None

    def go_on(self, seconds: float) -> None:
        """Let it work so long, or until it ends. Raises InputError where it fails."""
        started = time.monotonic()
        if self._process is None:
            self._process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        else:
            self._signal(signal.SIGCONT)
        with suppress(subprocess.TimeoutExpired):
            if self._process.wait(seconds):
                raise InputError("stage 5 failed: what it said is above")
            self.ended = True
        self._signal(signal.SIGSTOP)
        self.seconds += time.monotonic() - started

    def end(self) -> None:
        """Kill what is left of it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """To its processes, and to a nanny's and hers: those at work for Dask are no children of the command."""
        roots = [] if self._process is None or self.ended else [self._process.pid]
        for root in [*roots, *([self._nanny] if self._nanny else [])]:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(root)
                process.send_signal(number)
                for child in process.children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.send_signal(number)


def by_turns(turns: Sequence[Turn], seconds: float) -> None:
    """Let all of them work until they end, one at a time. Raises InputError where one fails."""
    try:
        while left := [turn for turn in turns if not turn.ended]:
            for turn in left:
                turn.go_on(seconds)
    finally:
        for turn in turns:
            turn.end()


class Killer(threading.Thread):
    """Kills a worker now and then, until it is told that all is done."""

    def __init__(self, cluster: DaskCluster, kills: int, seed: int, latest: float) -> None:
        super().__init__(daemon=True)
        self.cluster, self.left, self.killed, self.latest = cluster, kills, 0, latest
        self.random = random.Random(seed)
        self.done = threading.Event()

    def run(self) -> None:
        while self.left and not self.done.wait(self.random.uniform(0, self.latest)):
            if workers := self.cluster.workers():
                os.kill(self.random.choice(workers), signal.SIGKILL)
                self.left -= 1
                self.killed += 1


def main() -> int:
    parser = recipe_parser(__doc__)
    parser.set_defaults(folds="1,2,3,4,5,6")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ranks", action="store_true", help="by torchrun, not by Dask")
    parser.add_argument("--turn-seconds", type=float, default=6.0, help="less than torchrun's heartbeat may stop, 15")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--kill-seconds", type=float, default=60.0, help="from one to the next, at most")
    parser.add_argument("--kill-seed", type=int, default=0, help="of the moments and the victims")
    args = parser.parse_args()
    recipe = open_recipe(args)
    plain = Turn(stage_5(recipe, args, "bench_processes", ["--nj", str(args.workers)]))
    if args.ranks:
        other = Turn(stage_5(recipe, args, "bench_ranks", ["--gpus", str(args.workers)]))
        by_turns([plain, other], args.turn_seconds)
        _print_share("ranks", args.workers, plain, other)
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="speecheq-dask-") as folder,
        dask_cluster(Path(folder), args.workers) as dask,
    ):
        command = stage_5(recipe, args, "bench_cluster", ["--cluster", str(dask.scheduler_file)])
        other = Turn(command, dask.nanny.pid)
        killer = Killer(dask, args.kills, args.kill_seed, args.kill_seconds)
        killer.start()
        by_turns([plain, other], args.turn_seconds)
        killer.done.set()
        killer.join()
    _print_share("Dask workers", args.workers, plain, other)
    one, two = (results(recipe.exp_dir(name)) for name in ("bench_processes", "bench_cluster"))
    differ = sorted(name for name in {*one, *two} if one.get(name) != two.get(name))
    print(f"{killer.killed} workers were killed")
    print(f"{len(differ)} of {len(one)} checkpoints differ{': ' + ', '.join(differ) if differ else ''}")
    return 1 if differ else 0


def _print_share(kind: str, num_workers: int, plain: Turn, other: Turn) -> None:
    print(f"{num_workers} processes: {plain.seconds:.1f} s; {num_workers} {kind}: {other.seconds:.1f} s")
    print(f"{num_workers} {kind} reach {100 * plain.seconds / other.seconds:.1f} % of what as many processes do")


if __name__ == "__main__":
    run_main(main)

"""The worker pool: order, streaming, the first error, and workers that die with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from seq.errors import InputError
from seq.utils.pool import CHUNKS_PER_PROCESS, pool_map


def slow_if_even(number: int) -> int:
    time.sleep(0.02 * (number % 2 == 0))
    return -number


def process_of(_: int) -> int:
    return os.getpid()


def mark(path: Path) -> None:
    """Fail for `bad`; else take a while and leave a file."""
    if path.name == "bad":
        raise ValueError("bad")
    time.sleep(0.3)
    path.touch()


@pytest.mark.parametrize(("num_jobs", "chunk_size"), [(1, 4), (2, 1), (3, 4)])
def test_results_come_in_order(num_jobs: int, chunk_size: int) -> None:
    assert list(pool_map(slow_if_even, range(25), num_jobs, chunk_size)) == [-i for i in range(25)]
    assert list(pool_map(slow_if_even, [], num_jobs, chunk_size)) == []


def test_one_job_needs_no_process() -> None:
    assert set(pool_map(process_of, range(3), 1)) == {os.getpid()}
    assert os.getpid() not in set(pool_map(process_of, range(3), 2))


@pytest.mark.parametrize("num_jobs", [1, 2])
def test_items_are_taken_as_results_are(num_jobs: int) -> None:
    taken = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    results = pool_map(slow_if_even, items(), num_jobs)
    assert next(results) == 0
    assert len(taken) <= CHUNKS_PER_PROCESS * num_jobs
    assert next(results) == -1
    assert len(taken) <= CHUNKS_PER_PROCESS * num_jobs + 1


def test_an_error_cancels_what_has_not_begun(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("first", "bad", *(f"later{i}" for i in range(40)))]
    with pytest.raises(ValueError, match="bad"):
        list(pool_map(mark, paths, 2))
    # What was handed to the two workers is finished; the rest is not begun.
    assert len(list(tmp_path.iterdir())) < 2 + CHUNKS_PER_PROCESS * 2


def kill_if_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_worker_that_was_killed_is_one_sentence() -> None:
    results = pool_map(kill_if_three, range(100), 2)
    with pytest.raises(InputError, match=r"one of 2 processes was killed, as a rule because memory ran out: .*--nj"):
        list(results)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "import os, sys, time\nfrom seq.utils.pool import pool_map\n"
        "def wait(_):\n    print(os.getpid(), flush=True)\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n    list(pool_map(wait, range(2), 2))\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "workers outlive the process that started them"
        time.sleep(0.05)

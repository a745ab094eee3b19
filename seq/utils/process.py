"""Processes that end with whoever started them, and a lock on the folder they write."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from seq.errors import InputError

# local/run.sh puts its process id here. A stage that is started by hand may outlive its shell; one that the
# runner started must not outlive the runner, or a second run would meet it in the same folder.
RUNNER_VARIABLE = "SPEECHEQ_RUNNER_PID"
POLL_SECONDS = 0.3
LOCK_WAIT_SECONDS = 10.0


def die_with_runner() -> None:
    """End this process when local/run.sh, which started it, is gone, even by kill -9; nothing without a runner."""
    runner = os.environ.get(RUNNER_VARIABLE, "")
    if not runner.isdigit() or os.getppid() != int(runner):
        return

    def watch() -> None:
        while os.getppid() == int(runner):
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def die_with_parent() -> None:
    """End this worker when the process that made its pool is gone; the initializer of every pool."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold a run folder for this process; the kernel lets go when the process ends, however it ends.

    The lock lies beside the folder, which may be moved while it is held.

    Raises:
        InputError: another process still holds it after a few seconds.
    """
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    # A soft lock, filelock's choice where the file system has no locks, would outlive a killed process.
    lock = FileLock(run_dir.with_name(f".{run_dir.name}.lock"), timeout=LOCK_WAIT_SECONDS, fallback_to_soft=False)
    try:
        lock.acquire(poll_interval=POLL_SECONDS)
    except Timeout:
        raise InputError(f"another process is writing {run_dir}: wait for it or stop it, and run again") from None
    try:
        yield
    finally:
        lock.release()

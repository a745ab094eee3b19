"""A lock on a folder that one process writes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from seq.errors import InputError
from seq.utils.process import POLL_SECONDS

LOCK_WAIT_SECONDS = 10.0


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

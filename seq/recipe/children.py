"""A stage as a child process: what stops the runner stops it, and it never outlives the runner."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from seq.utils.process import RUNNER_VARIABLE
from seq.utils.stopping import Stopped

# How long after Ctrl-C a stage may end by itself: a terminal sends it to the stage as well.
GRACE_SECONDS = 1.0


def run_child(command: Sequence[str | Path]) -> int:
    """Run a command to its end; returns its exit code, 128 and the signal's number where a signal ended it.

    Raises:
        Stopped: this process was told to stop; the child was told, too, and has ended.
    """
    # It ends by itself when this process is gone (seq/utils/process.py): even kill -9 leaves nothing running.
    environment = {**os.environ, RUNNER_VARIABLE: str(os.getpid())}
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    try:
        status = child.wait()
    except Stopped as stopped:
        if stopped.number == signal.SIGINT:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GRACE_SECONDS)
        child.send_signal(stopped.number)
        child.wait()
        raise
    return status if status >= 0 else 128 - status

"""Processes that end with whoever started them; the standard library alone, since the runner needs no environment."""

from __future__ import annotations

import os
import threading
import time

# The file descriptor of a pipe that a stage of local/run.sh inherits. A stage that is started by hand may outlive its
# shell; one that the runner started must not outlive the runner, or a second run would meet it in the same folder.
RUNNER_VARIABLE = "SPEECHEQ_RUNNER_PIPE"
POLL_SECONDS = 0.3


def die_with_runner() -> None:
    """End this process when local/run.sh, which started it, is gone, even by kill -9; nothing without a runner."""
    # Taken away, since the number says nothing to this process's own children.
    pipe = os.environ.pop(RUNNER_VARIABLE, "")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        # torchrun hands no pipe on to its processes.
        _die_with(os.getppid())
        return
    if not pipe.isdigit():
        return

    def watch() -> None:
        # The runner writes nothing, and the kernel closes its end however it ends.
        os.read(int(pipe), 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _die_with(parent: int) -> None:
    """End this process when it has another parent than this one."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def die_with_parent() -> None:
    """End this worker when the process that made its pool is gone; the initializer of every pool."""
    # Here, since `speecheq predict` needs it not and would start later; a worker has it already.
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def is_running(pid: int) -> bool:
    """Whether a process of this number is on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True

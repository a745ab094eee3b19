"""Child processes: a stage, which never outlives its runner; several runners side by side. What stops us stops them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seq.errors import InputError
from seq.utils.process import RUNNER_VARIABLE
from seq.utils.stopping import Stopped

# How long after Ctrl-C a stage may end by itself: a terminal sends it to the stage as well.
GRACE_SECONDS = 1.0
# <sys/prctl.h>: the signal that a process gets when the one that started it is gone.
_PR_SET_PDEATHSIG = 1


def run_child(command: Sequence[str | Path], descriptors: Sequence[int] = ()) -> int:
    """Run a command to its end; returns its exit code.

    It ends when this process is gone, even by kill -9: on Linux from its first instant on, by the kernel; elsewhere as
    soon as its imports are done (`seq.utils.process.die_with_runner`).

    Args:
        descriptors: open files that it inherits; a lock that this process holds is then held until both are gone.

    Raises:
        InputError: it was killed, and this process was not told to stop.
        Stopped: this process was told to stop; the child was told, too, and has ended.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    read_end, write_end = os.pipe()
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        env={**os.environ, RUNNER_VARIABLE: str(read_end)},
        pass_fds=[read_end, *descriptors],
        preexec_fn=None if prctl is None else lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    os.close(read_end)
    try:
        status = child.wait()
    except Stopped as stopped:
        if stopped.number == signal.SIGINT:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(GRACE_SECONDS)
        child.send_signal(stopped.number)
        child.wait()
        raise
    finally:
        os.close(write_end)
    if status < 0:
        raise InputError(
            f"{Path(command[1]).name} was killed (signal {-status}), as happens where memory is short: run the same "
            "command again, with a smaller --nj if it happens again"
        )
    return status


def run_side_by_side(commands: Mapping[str, Sequence[str]]) -> int:
    """Run commands at the same time, by name, and print what each says after its name.

    Returns the exit code of the first in order that failed, 0 where none did.

    Raises:
        Stopped: this process was told to stop; all of them were told, too, and have ended.
    """
    children = {
        name: subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name, command in commands.items()
    }

    def pass_on(name: str) -> int:
        child = children[name]
        assert child.stdout is not None
        for line in child.stdout:
            print(f"{name}: {line}", end="", flush=True)
        return child.wait()

    with ThreadPoolExecutor(len(children)) as threads:
        codes = [threads.submit(pass_on, name) for name in children]
        try:
            return next((code.result() for code in codes if code.result()), 0)
        except Stopped as stopped:
            for child in children.values():
                child.send_signal(stopped.number)
            raise

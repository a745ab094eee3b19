"""What a Dask worker does for us: it hands tasks to processes of its own, and passes on what they say.

A process beside the worker, since a worker is a daemon that may have no children and its threads share one folder; it
runs the code of whoever sends the tasks, and can be stopped, as a thread cannot.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing import Pipe
from typing import Final

from distributed import get_worker

from seq.errors import InputError
from seq.utils.cluster.process import RESULT
from seq.utils.process import POLL_SECONDS, RUNNER_VARIABLE

# Where lines go that people should see; each says whose.
TOPIC: Final = "speecheq"
_ENDING: Final = ("closing", "closed", "failed")


class ProcessKilled(Exception):
    """The process that worked was killed; its task can be done again."""


@dataclass(frozen=True)
class Session:
    """One use of a cluster, as its workers need to know it."""

    name: str
    # Where relative paths begin.
    folder: str
    # A file that every worker sees, if it sees what we see.
    marker: str
    # Where the package lies.
    root: str


class Process:
    """A process that works for one session; it ends when this object goes, or the worker does, however it ends."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._connection, theirs = Pipe()
        # The process watches one end, and ends when the other is closed.
        watched, self._life = Pipe(duplex=False)
        paths = [session.root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment = {
            **os.environ,
            RUNNER_VARIABLE: str(watched.fileno()),
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        }
        # Dask's nanny lets glibc give memory back at once, so that workers look small. Training would ask for all of it
        # again in every step, and take twice as long.
        environment.pop("MALLOC_TRIM_THRESHOLD_", None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "seq.utils.cluster.process", str(theirs.fileno())],
            cwd=session.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), watched.fileno()],
        )
        theirs.close()
        watched.close()

    def send(self, task: bytes) -> None:
        """Let it do something. Raises OSError where it has ended."""
        self._connection.send_bytes(task)

    def receive(self) -> bytes | None:
        """What it says, None where it says nothing for a moment. Raises EOFError or OSError where it has ended."""
        return self._connection.recv_bytes() if self._connection.poll(POLL_SECONDS) else None

    def exit_code(self) -> int:
        """How it ended; of a signal, its number below zero."""
        return self._process.wait()

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self._process.kill()
            self._process.wait()


class _OfThread(threading.local):
    """Dask has a thread for every task that a worker does at the same time: each keeps a process between its tasks."""

    process: Process | None = None


_of_thread = _OfThread()


def work(session: Session, task: bytes) -> bytes:
    """What Dask calls: let a process do a task; returns what `seq.utils.cluster.process.run_task` does.

    Raises:
        InputError: this machine does not see the files of the session, or cannot start its process.
        ProcessKilled: the process was killed.
    """
    for path, folder in ((session.marker, os.path.dirname(session.marker)), (session.folder, session.folder)):
        if not os.path.exists(path):
            raise InputError(
                f"{socket.gethostname()} does not see {folder} as it is where this was started: a "
                "cluster needs one file system that all its machines share, under the same path"
            )
    while True:
        process = _process_for(session)
        try:
            return _let_work(process, task)
        except (EOFError, OSError):
            _of_thread.process = None
            code = process.exit_code()
            if code < 0:
                raise ProcessKilled(f"signal {-code} on {socket.gethostname()}") from None
            if code > 0:
                raise InputError(
                    f"{socket.gethostname()} could not start a process (code {code}): the log of its Dask worker says "
                    "why; start workers in the environment of SpeechEQ"
                ) from None
            # It had nothing to do for a while, and ended.


def _process_for(session: Session) -> Process:
    process = _of_thread.process
    if process is None or process.session != session:
        # The old one goes first: there may not be memory for two.
        _of_thread.process = process = None
        _of_thread.process = process = Process(session)
    return process


def _let_work(process: Process, task: bytes) -> bytes:
    worker = get_worker()
    key = worker.get_current_task()
    process.send(task)
    while True:
        if (message := process.receive()) is not None:
            kind, content = message[:1], message[1:]
            if kind == RESULT:
                return content
            worker.log_event(TOPIC, {"session": process.session.name, "line": content.decode("utf-8", "replace")})
            continue
        # Dask cannot stop a task that has begun: nobody may want it any more, and the process must not go on.
        state = worker.state.tasks.get(key)
        if state is None or state.state == "cancelled" or worker.status.name in _ENDING:
            _of_thread.process = None
            raise ProcessKilled("nobody waits for it")

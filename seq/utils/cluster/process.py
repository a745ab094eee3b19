"""The process that works for a Dask worker: it takes tasks, one after the other, and sends back lines and results.

It is started as `python -m seq.utils.cluster.process DESCRIPTOR`, with a socket open, and ends with its worker.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any, Final

from seq.errors import InputError
from seq.utils.process import die_with_runner

# How a message to the worker begins: a line for people, or a result.
LINE: Final = b"l"
RESULT: Final = b"r"
# Nothing to do for so long, and the process ends: whoever sent it tasks is done, or gone.
IDLE_SECONDS: Final = 20.0


class Lines(io.TextIOBase):
    """A stream whose lines are sent to the worker."""

    def __init__(self, connection: Connection, lock: threading.Lock) -> None:
        self._connection, self._lock = connection, lock
        self._pid = os.getpid()
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if os.getpid() != self._pid:
            # A child of ours, as data loaders have them: two would write into each other's messages.
            return sys.__stderr__.write(text) if sys.__stderr__ is not None else len(text)
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._connection.send_bytes(LINE + line.encode("utf-8", "replace"))
        return len(text)


def run_task(task: bytes) -> bytes:
    """Call what is pickled in `task`; returns (True, what it returned) or (False, its exception), pickled.

    What is neither wrong input nor the system's refusal is a bug of ours, and its traceback goes to standard error.
    """
    answer: tuple[bool, Any]
    try:
        answer = True, pickle.loads(task)()
    except Exception as error:
        if not isinstance(error, (InputError, OSError)):
            traceback.print_exc()
        answer = False, error
    try:
        return pickle.dumps(answer)
    except Exception as error:  # What cannot be pickled has no common base class.
        return pickle.dumps((False, RuntimeError(f"{answer[1]!r} cannot be sent back: {error}")))


def main() -> None:
    """Work until the worker is gone, or has nothing to do."""
    die_with_runner()
    # Ctrl-C in a worker's terminal is the worker's affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection, lock = Connection(int(sys.argv[1])), threading.Lock()
    sys.stdout = sys.stderr = Lines(connection, lock)
    try:
        while connection.poll(IDLE_SECONDS):
            result = run_task(connection.recv_bytes())
            with lock:
                connection.send_bytes(RESULT + result)
    except EOFError:
        return


if __name__ == "__main__":
    main()

"""Locks on folders: one process writes, or several read. The kernel lets go when a process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from seq.errors import InputError
from seq.utils.process import POLL_SECONDS, is_running

LOCK_WAIT_SECONDS = 10.0
_BUSY: Final = (errno.EAGAIN, errno.EACCES)
_MAX_BYTES = 1 << 16


class FolderLock:
    """A lock (flock; over NFS it is the server's) on a file that stands for a folder; close it to let go.

    A child process that is handed `descriptor` holds it, too. Who holds it is written into the file, for others to say.

    Args:
        file: made where it is not there, and never deleted: whoever waits for it has it open.
        folder: what it stands for, as sentences call it.
    """

    def __init__(self, file: Path, folder: Path) -> None:
        self.folder = folder
        self.is_shared = False
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            # NFS wants what is locked for writing to be open for writing.
            self.descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            # Another user's. Whoever cannot even make the file will change nothing, and may read all the same.
            self.descriptor = os.open(file if file.exists() else file.parent, os.O_RDONLY)

    def write(self) -> None:
        """Hold it alone. Raises InputError, naming who has it, where that is not possible within a few seconds."""
        self._wait((False,))

    def read(self) -> None:
        """Hold it beside others that read, though it was held alone. Raises InputError as `write`."""
        self._wait((True,))

    def write_or_read(self) -> None:
        """Hold it alone, or, where others read, beside them (`is_shared`). Raises InputError as `write`."""
        self._wait((False, True))

    def refusal(self) -> InputError:
        """The sentence that names the others who hold it."""
        others = [row for row in self._rows() if row[0] != os.getpid() or row[1] != socket.gethostname()]
        pid, host, doing = others[-1] if others else (0, "", "using")
        who = f"process {pid}{f' on {host}' if host != socket.gethostname() else ''}" if pid else "another process"
        return InputError(f"{who} is {doing} {self.folder}: wait for it or stop it, and run again")

    def close(self) -> None:
        """Let go; a child that was handed the descriptor still holds it."""
        os.close(self.descriptor)

    def _wait(self, shared: tuple[bool, ...]) -> None:
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            for is_shared in shared:
                if self._try(is_shared):
                    self.is_shared = is_shared
                    self._sign()
                    return
            if time.monotonic() > deadline:
                raise self.refusal()
            time.sleep(POLL_SECONDS)

    def _try(self, is_shared: bool) -> bool:
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            print(
                f"warning: the disk of {self.folder} has no locks ({error.strerror}): start no second run there",
                file=sys.stderr,
            )
        return True

    def _rows(self) -> list[tuple[int, str, str]]:
        """Process, host and what it does, of all who signed and may still be there."""
        try:
            text = os.pread(self.descriptor, _MAX_BYTES, 0).decode("utf-8", "replace")
        except OSError:
            return []
        parts = [line.split() for line in text.splitlines()]
        rows = [(int(part[0]), part[1], part[2]) for part in parts if len(part) == 3 and part[0].isdigit()]
        return [row for row in rows if row[1] != socket.gethostname() or is_running(row[0])]

    def _sign(self) -> None:
        me = (os.getpid(), socket.gethostname(), "reading" if self.is_shared else "writing")
        rows = [row for row in self._rows() if row[:2] != me[:2]] if self.is_shared else []
        text = "".join(f"{pid} {host} {doing}\n" for pid, host, doing in [*rows, me])
        # A name that is missing or stale spoils a sentence and no lock, so a full disk is no reason to stop here.
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, text.encode("utf-8"), 0)


@contextlib.contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Write a run folder alone. The lock lies beside the folder, which may be moved while it is held.

    Raises:
        InputError: another process still holds it after a few seconds.
    """
    lock = FolderLock(run_dir.with_name(f".{run_dir.name}.lock"), run_dir)
    with contextlib.closing(lock):
        lock.write()
        yield


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[FolderLock]:
    """Read what recipes' runners write in a folder, with nobody changing it meanwhile.

    Raises:
        InputError: another process still writes it after a few seconds.
    """
    with contextlib.closing(open_lock(folder)) as lock:
        lock.read()
        yield lock


def open_lock(folder: Path) -> FolderLock:
    """The lock in a folder that is not moved, not held yet."""
    return FolderLock(folder / ".lock", folder.resolve())

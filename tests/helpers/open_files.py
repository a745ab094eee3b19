"""What a running process has open: the only trace of a file without a name."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

CAN_TELL = Path("/proc/self/fd").is_dir()


def wait_for_file_in(folder: Path, process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Wait until a process has a file open in a folder, with or without a name."""
    deadline = time.monotonic() + 20
    while not _has_file_in(folder, process.pid):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def _has_file_in(folder: Path, pid: int) -> bool:
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        # It may have been closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(entry.path))
    return any(name.startswith(f"{folder}/") for name in found)

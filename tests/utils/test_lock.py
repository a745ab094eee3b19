"""The lock on a run folder: one process at a time, and free again however its holder ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seq.errors import InputError
from seq.utils import lock
from seq.utils.lock import run_lock

HOLD = """
import sys, time
from pathlib import Path
from seq.utils.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_held_folder_is_refused_and_is_free_after_kill_9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCK_WAIT_SECONDS", 0.5)
    run_dir = tmp_path / "fold_1/seed_0"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run_dir)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=r"another process is writing .*seed_0: wait for it or stop it"),
            run_lock(run_dir),
        ):
            pytest.fail("two processes hold one folder")
        os.kill(holder.pid, signal.SIGKILL)
    with run_lock(run_dir):
        assert run_dir.with_name(".seed_0.lock").exists()


def test_the_folder_may_be_moved_while_it_is_held(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with run_lock(run_dir):
        run_dir.mkdir()
        run_dir.rename(tmp_path / "set_aside")
    with run_lock(run_dir):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run.lock", "set_aside"]

"""The lock on a run folder: one process at a time, and free again however its holder ends."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seq.errors import InputError
from seq.utils import lock
from seq.utils.lock import open_lock, reading, run_lock

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
            pytest.raises(InputError, match=rf"^process {holder.pid} is writing .*seed_0: wait for it or stop it"),
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


def test_several_may_read_and_nobody_writes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCK_WAIT_SECONDS", 0.0)
    with reading(tmp_path), reading(tmp_path) as second:
        third = open_lock(tmp_path)
        with pytest.raises(InputError, match="is using"):
            third.write()
        third.write_or_read()
        assert third.is_shared
        third.close()
        # A child that was handed the lock holds it when its parent is gone.
        child = subprocess.Popen(["sleep", "60"], pass_fds=[second.descriptor])
    with contextlib.closing(open_lock(tmp_path)) as writer:
        with pytest.raises(InputError):
            writer.write()
        child.kill()
        child.wait()
        writer.write()
        with pytest.raises(InputError), reading(tmp_path):
            pytest.fail("it is written")
        writer.read()
        with reading(tmp_path):
            pass


def test_a_disk_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with run_lock(tmp_path / "run"):
        pass
    assert "has no locks (No locks available): start no second run there" in capsys.readouterr().err

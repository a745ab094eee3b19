"""Runs of one recipe at the same time, and what a run that was killed leaves to the next."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_recipe import Toy

from seq.utils.process import is_running


def impatient(toy: Toy) -> None:
    """The recipe's runner waits for no other."""
    code = toy.root / "seq/utils/lock.py"
    code.write_text(code.read_text().replace("LOCK_WAIT_SECONDS = 10.0", "LOCK_WAIT_SECONDS = 0.0"))


def test_data_are_written_by_one_run_at_a_time(toy: Toy) -> None:
    impatient(toy)
    writer = toy.start("--stage", "2")
    message = toy.run("--set", "features.trim=false", code=2)
    data = toy.recipe / "data"
    assert message == f"error: process {writer.pid} is writing {data}: wait for it or stop it, and run again\n"
    writer.kill()
    writer.wait()
    assert "stage 2 features: not finished yet" in toy.run("--stop-stage", "2")


def test_experiments_are_trained_side_by_side_on_data_that_nobody_changes(toy: Toy) -> None:
    impatient(toy)
    with toy.start("--exp-name", "first") as first:
        assert "stage 5: done" in toy.run("--exp-name", "second")
        message = toy.run("--set", "features.num_filters=40", code=2)
        assert f"stage 2 features has to run, but process {first.pid} is reading {toy.recipe / 'data'}: " in message
        assert message.count("\n") == 1
        assert f"process {first.pid} is writing {toy.recipe / 'exp/first'}: " in toy.run("--exp-name", "first", code=2)
        first.kill()
    assert "stage 2 features: conf features.num_filters changed" in toy.run("--set", "features.num_filters=40")


# A stage at its first instant, which has imported nothing yet; and, where the kernel does not help, one that has.
FIRST_INSTANT = "import os, time\nprint(os.getpid(), file=open('stage.pid', 'w'), flush=True)\ntime.sleep({seconds})\n"
LATER = "from seq.utils.process import die_with_runner\ndie_with_runner()\ntime.sleep(60)\n"


@pytest.mark.parametrize("has_kernel", [sys.platform == "linux", False])
def test_a_killed_runner_leaves_no_stage_behind(toy: Toy, has_kernel: bool) -> None:
    stub = toy.root / "local/compute_features.py"
    stub.write_text(FIRST_INSTANT.format(seconds=60 if has_kernel else 1) + LATER)
    if not has_kernel:
        code = toy.root / "seq/recipe/children.py"
        code.write_text(code.read_text().replace('"prctl"', '"no such call"'))
    runner = subprocess.Popen([toy.recipe / "run.sh", "--stage", "2"], env=toy.env, stdout=-3, stderr=-3)
    pid_file = toy.recipe / "stage.pid"
    deadline = time.monotonic() + 20
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    stage = int(pid_file.read_text())
    runner.kill()
    runner.wait()
    deadline = time.monotonic() + 10
    while _is_there(stage) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_there(stage)


def _is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    status = Path(f"/proc/{pid}/stat")
    return is_running(pid) and not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_what_a_killed_stage_left_half_written_goes(toy: Toy) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folders = [toy.recipe / "data/fbank", toy.recipe / "data", toy.recipe / "exp/scratch_two/fold_1/seed_0"]
    names = ("a.npy", "b.json", "epoch-3.pt")
    halves = [folder / f".{gone.pid}.tmp.{name}" for folder, name in zip(folders, names, strict=True)]
    for half in halves:
        half.write_bytes(b"half")
    unpacked = toy.recipe / f"data/corpus/.{gone.pid}.tmp.Actor_01/a.wav"
    unpacked.parent.mkdir(parents=True)
    unpacked.touch()
    running = toy.recipe / "data/.1.tmp.c.json"
    running.touch()
    toy.run("--stage", "4")
    assert not any(half.exists() for half in halves) and not unpacked.parent.exists() and running.exists()


def test_a_stage_that_is_killed_is_one_sentence(toy: Toy) -> None:
    (toy.root / "local/prepare_lang.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    message = toy.run("--stage", "4", code=2)
    assert message.startswith("error: prepare_lang.py was killed (signal 9)") and message.count("\n") == 1

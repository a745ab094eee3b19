"""How run.sh may be called: from anywhere, by any name, in any shell; and with what it cannot work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_recipe import ROOT, Toy


def call(toy: Toy, *command: str | Path, cwd: Path | None = None, **variables: str) -> tuple[int, str, str]:
    environment = {**toy.env, **variables}
    done = subprocess.run(command, env=environment, cwd=cwd or toy.root, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_run_sh_is_the_same_in_every_recipe() -> None:
    scripts = sorted(ROOT.glob("egs/*/run.sh"))
    assert len(scripts) >= 3
    assert len({script.read_bytes() for script in scripts}) == 1
    assert all(os.access(script, os.X_OK) for script in scripts)


@pytest.mark.parametrize("shell", [["sh"], ["bash"], []])
def test_any_name_any_shell_any_search_path(toy: Toy, tmp_path: Path, shell: list[str]) -> None:
    (tmp_path / "a link").symlink_to(toy.recipe / "run.sh")
    first = (0, "Usage: egs/toy/run.sh [options]", "")
    # Both hold a folder of the name that scripts look for from here.
    searched = f"{toy.root}:{toy.root / 'egs'}"
    for place, name in ((tmp_path, "./a link"), (toy.root, "egs/toy/run.sh"), (toy.recipe, "./run.sh")):
        status, output, errors = call(toy, *shell, name, "--help", cwd=place, CDPATH=searched)
        assert (status, output.partition("\n")[0], errors) == first, name


def test_an_environment_that_is_none_is_one_sentence(toy: Toy, tmp_path: Path) -> None:
    status, _, errors = call(toy, toy.recipe / "run.sh", SPEECHEQ_PYTHON_ENV=str(tmp_path / "none"))
    assert status == 2 and errors.startswith(f"error: SPEECHEQ_PYTHON_ENV names {tmp_path / 'none'}, which has no bin")
    bare = tmp_path / "bare/bin/python3"
    bare.parent.mkdir(parents=True)
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    # As in a shell that has another environment activated and this one, too, further behind.
    path = f"{os.environ['PATH']}:{bare.parent}"
    status, _, errors = call(toy, toy.recipe / "run.sh", SPEECHEQ_PYTHON_ENV=str(tmp_path / "bare"), PATH=path)
    assert status == 2 and "bare, which lacks lhotse, torch, yaml: run" in errors
    assert errors.count("\n") == 1


def test_a_folder_that_is_no_utf_8_is_one_sentence(toy: Toy, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    os.mkdir(folder + b"/corpus")
    for option in ("--corpus-dir", "--conf", "--transcripts"):
        for name in (os.fsdecode(folder + b"/corpus"), "corpus"):
            status, _, errors = call(toy, toy.recipe / "run.sh", option, name, cwd=Path(os.fsdecode(folder)))
            assert status == 2 and errors.count("\n") == 1
            assert "is not UTF-8: rename the file or folder" in errors
    moved = toy.root.rename(toy.root.parent / os.fsdecode(b"caf\xe9"))
    try:
        status, _, errors = call(toy, moved / "egs/toy/run.sh", cwd=tmp_path)
    finally:
        moved.rename(toy.root)
    assert status == 2 and errors.count("\n") == 1 and "is not UTF-8" in errors

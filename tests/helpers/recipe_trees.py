"""Copies of the repository whose recipes tests can run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("egs", "local", "seq", "tools", "path.sh", "pyproject.toml")
SMALL = [
    "model.channels=16",
    "model.stem_channels=4",
    "model.num_layers=2",
    "model.feedforward=32",
    "model.embedding_dim=16",
    "train.num_epochs=3",
    "train.average_epochs=1",
    "train.batch_duration=30.0",
]


def _made(folder: str, names: list[str]) -> set[str]:
    in_recipe = Path(folder).parent.name == "egs"
    return {name for name in names if name == "__pycache__" or (in_recipe and name in ("data", "exp"))}


def make_tree(folder: Path) -> Path:
    """A copy of the repository in `folder`, without what its recipes have made."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_made)
        else:
            shutil.copy2(source, folder / name)
    return folder


def environment() -> dict[str, str]:
    """This environment for a copy's scripts, whose own packages come first."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return {**env, "SPEECHEQ_PYTHON_ENV": sys.prefix}


def run(tree: Path, recipe: str, *options: str, sizes: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a recipe of a copy with a network of SMALL size."""
    settings = [part for setting in [*SMALL, *(sizes or [])] for part in ("--set", setting)]
    command = [str(tree / "egs" / recipe / "run.sh"), *options, *settings]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)

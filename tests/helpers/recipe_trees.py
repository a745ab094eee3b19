"""Copies of the repository whose recipes tests can run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.kill_test import copy_repository

ROOT = Path(__file__).resolve().parents[2]
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


def make_tree(folder: Path) -> Path:
    """A copy of the repository in `folder`, without what its recipes have made."""
    copy_repository(folder)
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

"""Two processes that train one network, as torchrun starts them, and what two runs have in common."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from seq.train.checkpoint import load_checkpoint
from seq.train.experiment import Experiment
from seq.utils.files import read_jsonl
from seq.utils.run_folder import RunFolder

ROOT = Path(__file__).parents[2]

# What each of two processes does: its share of a batch alone, or all of training.
MAIN = """
import pickle, sys
sys.path[:0] = sys.argv[1:3]
from seq.train.launch import is_rank, launch
if not is_rank():
    sys.exit(launch(2))
experiment = pickle.load(open(sys.argv[3], "rb"))
if sys.argv[4] == "gradient":
    from test_ranks import share_of_gradient
    share_of_gradient(experiment)
else:
    from seq.train.run import train_experiment
    train_experiment(experiment, [1], [0])
"""


def start_ranks(experiment: Experiment, what: str) -> subprocess.Popen[bytes]:
    folder = experiment.exp_dir.parent
    (folder / "experiment.pkl").write_bytes(pickle.dumps(experiment))
    (folder / "main.py").write_text(MAIN)
    paths = [ROOT / "tests/helpers", ROOT / "tests/train"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, folder / "main.py", *paths, folder / "experiment.pkl", what]
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def weights(experiment: Experiment) -> list[dict[str, Any]]:
    folder = RunFolder(experiment.run_dir(1, 0))
    return [load_checkpoint(path) for _, path in folder.epochs()]


def assert_same_runs(one: Experiment, two: Experiment) -> None:
    """Weights, running means and losses, bit for bit."""
    states = list(zip(weights(one), weights(two), strict=True))
    assert states
    for first, second in states:
        for key in ("model", "model_avg"):
            assert all(torch.equal(value, second[key][name]) for name, value in first[key].items())
    histories = [list(read_jsonl(RunFolder(e.run_dir(1, 0)).history)) for e in (one, two)]
    assert [row["train"] for row in histories[0]] == [row["train"] for row in histories[1]]

"""Shar holds what stage 2 made, and training on it is training on the manifest; Lhotse's own tools read our files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lhotse import CutSet
from tiny_experiment import make_experiment, tiny_conf

from seq.data.shar import export_shar, read_cuts
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.train.checkpoint import checkpoint_path, load_checkpoint
from seq.train.run import train_run
from seq.utils.files import read_jsonl


def test_training_on_shar_equals_training_on_the_manifest(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path, tiny_conf(num_epochs=1))
    shar = tmp_path / "shar"
    assert export_shar(experiment.cuts, shar, 20) == 48 and len(list(shar.glob("features.*.tar"))) == 3
    for before, after in zip(read_cuts(experiment.cuts), read_cuts(shar), strict=True):
        assert before.id == after.id and before.supervisions[0].custom == after.supervisions[0].custom
        assert np.array_equal(before.load_features(), after.load_features())
    # Shards are shuffled, and one is not.
    assert export_shar(shar, tmp_path / "one", 100) == 48
    packed = replace(experiment, cuts=tmp_path / "one", exp_dir=tmp_path / "packed")
    weights, predictions = [], []
    for one in (experiment, packed):
        train_run(one, 1, 0)
        decode_run(one, 1, 0)
        weights.append(load_checkpoint(checkpoint_path(one.run_dir(1, 0), 1))["model"])
        predictions.append(list(read_jsonl(one.run_dir(1, 0) / "predictions.jsonl")))
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert predictions[0] == predictions[1]


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run stage 2"):
        export_shar(tmp_path / "none.jsonl.gz", tmp_path / "out", 10)
    experiment = make_experiment(tmp_path)
    with pytest.raises(InputError, match="is not empty"):
        export_shar(experiment.cuts, tmp_path / "lang", 10)
    CutSet.from_cuts(replace(cut, features=None) for cut in read_cuts(experiment.cuts)).to_file(tmp_path / "bare.jsonl")
    with pytest.raises(InputError, match="no cuts with features: pass what stage 2 wrote"):
        export_shar(tmp_path / "bare.jsonl", tmp_path / "out", 10)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no Shar .* local/export_shar.py"):
        replace(experiment, cuts=tmp_path / "empty").load_fold(1)


def test_lhotse_opens_the_manifests(tmp_path: Path) -> None:
    cuts = make_experiment(tmp_path).cuts
    lhotse = [sys.executable, "-m", "lhotse.bin.lhotse"]
    for command in (["cut", "describe", str(cuts)], ["validate", "--read-data", str(cuts)]):
        done = subprocess.run([*lhotse, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

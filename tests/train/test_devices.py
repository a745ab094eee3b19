"""What a GPU does differently, mixed precision, pinned memory, features on the fly; and a CPU with the same code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from corpus_builders import fbank_and_labels
from tiny_experiment import make_experiment, tiny_conf

from seq.conf import AugmentConf, FeaturesConf
from seq.data.batch import Batch
from seq.data.batches import SpeechDataset, train_loader
from seq.train.checkpoint import checkpoint_path, load_checkpoint
from seq.train.run_data import RunData
from seq.train.trainer import Trainer
from seq.utils.files import read_jsonl

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]


@pytest.mark.parametrize("device", DEVICES)
def test_mixed_precision_learns_and_goes_on(tmp_path: Path, device: str) -> None:
    conf = tiny_conf(num_epochs=30, average_epochs=3, learning_rate=5e-3, precision="bf16")
    experiment = make_experiment(tmp_path, conf)
    data, run_dir = RunData(experiment, 1, 0), experiment.run_dir(1, 0)
    Trainer(conf, data, run_dir, device).run(stop_after_epoch=15)
    trainer = Trainer(conf, data, run_dir, device)
    assert trainer.device.type == device and trainer.precision == "bf16" and trainer.progress.epoch == 15
    progress = trainer.run()
    best = progress.history[progress.best_epoch - 1]["valid"]
    assert best["emotion"]["UA"] == 1.0 and best["gender"]["accuracy"] == 1.0
    assert [row["epoch"] for row in read_jsonl(run_dir / "history.jsonl")] == list(range(1, 31))
    kept = load_checkpoint(checkpoint_path(run_dir, 30))["model"]
    # What is computed in 16 bits is kept in 32.
    assert all(value.dtype in (torch.float32, torch.int64) for value in kept.values())


@pytest.mark.parametrize("device", DEVICES)
def test_a_gpu_s_batches_are_pinned_and_those_of_a_cpu(tmp_path: Path, device: str) -> None:
    experiment = make_experiment(tmp_path)
    found: dict[str, list[Batch]] = {}
    for name in ("cpu", device):
        found[name] = list(Trainer(experiment.conf, RunData(experiment, 1, 0), tmp_path / name, name).loader)
    for theirs, ours in zip(found["cpu"], found[device], strict=True):
        assert ours.ids == theirs.ids and torch.equal(ours.feature, theirs.feature)
        tensors = [ours.feature, ours.feature_lens, ours.labels.targets["emotion"]]
        assert [isinstance(t, torch.Tensor) and t.is_pinned() for t in tensors] == [device == "cuda"] * 3
        for name, target in ours.labels.targets_on(torch.device(device)).items():
            if isinstance(target, torch.Tensor):
                assert target.device.type == device
                torch.testing.assert_close(target.cpu(), theirs.labels.targets[name], equal_nan=True)


@pytest.mark.parametrize("device", DEVICES)
def test_features_on_the_fly_are_those_of_processes_that_have_no_gpu(tmp_path: Path, device: str) -> None:
    pytest.importorskip("soxr")
    cuts, labeller = fbank_and_labels(tmp_path)
    batches: list[list[Batch]] = []
    for num_workers in (0, 2):
        dataset = SpeechDataset(labeller, FeaturesConf(), AugmentConf(), torch.zeros(80), device=torch.device(device))
        batches.append(list(train_loader(cuts.subset(first=8), dataset, 6.0, num_workers)))
    assert len(batches[0]) > 1
    for here, there in zip(*batches, strict=True):
        assert here.ids == there.ids
        torch.testing.assert_close(here.feature, there.feature, rtol=0, atol=0 if device == "cpu" else 1e-2)

"""Several processes that train one network, and training that goes on in the middle of an epoch."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from rank_processes import assert_same_runs, start_ranks
from tiny_experiment import make_experiment, tiny_conf

from seq.data import batches as batches_module
from seq.data.batch import Batch
from seq.data.batches import eval_loader, train_loader
from seq.decode.run import decode_run
from seq.train.experiment import Experiment
from seq.train.loaders import plain_dataset
from seq.train.losses import batch_losses, combine_losses, mean_counts
from seq.train.run import train_run
from seq.train.run_data import RunData
from seq.train.trainer import Trainer

NUM_EPOCHS = 4


def whole_batch(experiment: Experiment, data: RunData, trainer: Trainer, part: slice) -> Batch:
    """Twelve utterances, or a part of them; some have no text, or no intensity."""
    cuts = data.train_cuts().subset(first=12).to_eager()
    chosen = type(cuts).from_cuts(list(cuts)[part])
    return plain_dataset(experiment.conf, data, trainer.model.front_end)[chosen]


def gradient(experiment: Experiment, part: slice) -> dict[str, torch.Tensor]:
    """The gradient of the loss of a part of the batch, over all ranks."""
    data = RunData(experiment, 1, 0)
    trainer = Trainer(experiment.conf, data, experiment.run_dir(1, 0), "cpu")
    batch = whole_batch(experiment, data, trainer, part)
    losses = batch_losses(trainer.network(*batch.inputs_on(trainer.device)), batch, trainer.losses)
    combine_losses(losses, experiment.conf.train, mean_counts(losses)).backward()
    return {name: value.grad for name, value in trainer.model.named_parameters() if value.grad is not None}


def share_of_gradient(experiment: Experiment) -> None:
    """Five utterances for one process, seven for the other."""
    import torch.distributed as dist

    dist.init_process_group("gloo")
    found = gradient(experiment, slice(0, 5) if dist.get_rank() == 0 else slice(5, 12))
    if dist.get_rank() == 0:
        torch.save(found, experiment.exp_dir.parent / "gradient.pt")
    dist.destroy_process_group()


def test_the_gradient_of_two_ranks_is_that_of_one_process(tmp_path: Path) -> None:
    conf = tiny_conf()
    conf.model = replace(conf.model, dropout=0.0, head_dropout=0.0)
    experiment = make_experiment(tmp_path, conf)
    alone = gradient(experiment, slice(0, 12))
    assert start_ranks(experiment, "gradient").wait(timeout=600) == 0, (tmp_path / "log").read_text()
    together = torch.load(tmp_path / "gradient.pt", weights_only=True)
    assert together.keys() == alone.keys()
    size = max(float(value.norm()) for value in alone.values())
    for name, value in alone.items():
        assert float((together[name] - value).norm()) <= 1e-5 * max(float(value.norm()), 1e-3 * size), name


@pytest.mark.parametrize("per_class", [3, 4])
def test_ranks_share_the_utterances_of_an_epoch(
    tmp_path: Path, per_class: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tiny_experiment import make_cuts

    experiment = make_experiment(tmp_path, cuts=make_cuts(tmp_path, per_class))
    data = RunData(experiment, 1, 0)
    dataset = plain_dataset(experiment.conf, data, Trainer(experiment.conf, data, tmp_path / "run").model.front_end)
    found: list[str] = []
    lengths = set()
    for rank in (0, 1):
        loader = train_loader(data.train_cuts(), dataset, 3.0, 0, rank, 2)
        batches = [batch.ids for batch in loader]
        lengths.add(len(batches))
        found += [id_ for ids in batches for id_ in ids]
    assert sorted(found) == sorted(data.fold.train) and len(lengths) == 1
    monkeypatch.setattr(batches_module, "EVAL_BATCH_SECONDS", 3.0)
    shares = [[id_ for batch in eval_loader(data.valid_cuts(), dataset, i, 2) for id_ in batch.ids] for i in (0, 1)]
    assert all(shares) and sorted(shares[0] + shares[1]) == sorted(data.fold.valid)


def test_training_goes_on_in_the_middle_of_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tiny_conf(num_epochs=3, save_every_batches=2, batch_duration=3.0)
    one, two = make_experiment(tmp_path / "one", conf), make_experiment(tmp_path / "two", conf)
    train_run(one, 1, 0)
    done = Trainer._save_batch
    trained: list[int] = []

    def save(trainer: Trainer) -> None:
        done(trainer)
        trained.append(trainer.progress.batch_idx_train)
        if len(trained) in (3, 8):
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_save_batch", save)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train_run(two, 1, 0)
    train_run(two, 1, 0)
    # Of every second batch there is a checkpoint: one was trained twice, each time.
    assert len(trained) <= max(trained) + 2
    assert_same_runs(one, two)


def ranks_of(launcher: int) -> list[int]:
    """The processes that torchrun started and that are there."""
    return [child.pid for child in psutil.Process(launcher).children() if "main.py" in " ".join(child.cmdline())]


def test_ranks_survive_the_death_of_one(tmp_path: Path) -> None:
    conf = tiny_conf(num_epochs=NUM_EPOCHS, average_epochs=1, save_every_batches=2)
    one, two = make_experiment(tmp_path / "one", conf), make_experiment(tmp_path / "two", conf)
    assert start_ranks(one, "train").wait(timeout=600) == 0, (tmp_path / "one/log").read_text()
    launcher = start_ranks(two, "train")
    deadline = time.monotonic() + 300
    while not (two.run_dir(1, 0) / "last").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(ranks_of(launcher.pid)[1], signal.SIGKILL)
    assert launcher.wait(timeout=600) == 0, (tmp_path / "two/log").read_text()
    assert_same_runs(one, two)
    # Each epoch is written down once, by one of them.
    log = (two.run_dir(1, 0) / "train.log").read_text().splitlines()
    assert len(log) == len({line.split(":")[0] for line in log}) <= NUM_EPOCHS
    assert decode_run(two, 1, 0) in range(1, NUM_EPOCHS + 1)

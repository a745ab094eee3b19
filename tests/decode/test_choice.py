"""Which weights decode: against means taken by hand, and against icefall's own functions where it is at hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from tiny_experiment import make_experiment, tiny_conf

from seq.decode.choice import Choice, describe_records, is_post_hoc, read_records
from seq.decode.run import decode_run
from seq.decode.weights import choose_weights
from seq.errors import InputError
from seq.models.model import ModelSpec, SpeechEqModel
from seq.train.checkpoint import checkpoint_path, load_checkpoint, load_model, read_pointer
from seq.train.experiment import Experiment
from seq.train.optimizer import make_optimizer
from seq.train.run import train_run
from seq.utils.files import read_json
from seq.utils.run_folder import RunFolder

HAS_ICEFALL = all(importlib.util.find_spec(name) for name in ("k2", "icefall"))
needs_icefall = pytest.mark.skipif(not HAS_ICEFALL, reason="icefall (on PYTHONPATH) and k2 are not installed")
NUM_EPOCHS = 4


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    conf = tiny_conf(num_epochs=NUM_EPOCHS, average_period=2, save_every_batches=3, keep_last_k=3, keep_all_epochs=True)
    experiment = make_experiment(tmp_path_factory.mktemp("choice"), conf)
    train_run(experiment, 1, 0)
    return experiment


def state(experiment: Experiment, epoch: int) -> dict[str, object]:
    return load_checkpoint(checkpoint_path(experiment.run_dir(1, 0), epoch))


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name].to(value.dtype), rtol=1e-5, atol=1e-6)


def test_plain_average_and_single_epoch(experiment: Experiment) -> None:
    run_dir = experiment.run_dir(1, 0)
    models = [state(experiment, epoch)["model"] for epoch in (2, 3)]
    weights, last, record = choose_weights(run_dir, Choice(epoch=3, avg=2, use_averaged_model=False))
    assert_close(weights, {name: (models[0][name] + models[1][name]) / 2 for name in models[0]})
    assert last["epoch"] == 3 and record["chosen_by"] == "post-hoc"
    weights, _, _ = choose_weights(run_dir, Choice(epoch=2, avg=1, use_averaged_model=False))
    assert_close(weights, models[0])


def test_default_is_what_valid_chose(experiment: Experiment) -> None:
    run_dir = experiment.run_dir(1, 0)
    weights, last, record = choose_weights(run_dir, Choice())
    assert last["epoch"] == read_pointer(run_dir, "best") == record["epoch"] and record["chosen_by"] == "valid"
    assert_close(weights, load_model(run_dir)[0].state_dict())


def test_batch_checkpoints_are_kept_as_asked(experiment: Experiment) -> None:
    found = RunFolder(experiment.run_dir(1, 0)).batches()
    numbers = [number for number, _ in found]
    assert len(numbers) == 3 and all(number % 3 == 0 for number in numbers) and numbers == sorted(numbers)[::-1]
    weights, _, record = choose_weights(experiment.run_dir(1, 0), Choice(iteration=numbers[0] + 1, avg=2))
    assert record["iteration"] == numbers[0] and weights
    with pytest.raises(InputError, match=r"--avg 3 needs 4 checkpoints .* has 3: .*save_every_batches"):
        choose_weights(experiment.run_dir(1, 0), Choice(iteration=10_000, avg=3))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(epoch=9), "epoch-9.pt was not trained or not kept: train with train.keep_all_epochs=true"),
        (Choice(epoch=2, avg=2), "--epoch 2 --avg 2 begins before epoch 1: use --avg 1 at most"),
    ],
)
def test_what_cannot_be_chosen(experiment: Experiment, choice: Choice, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_weights(experiment.run_dir(1, 0), choice)


def test_decoding_says_what_it_used(experiment: Experiment) -> None:
    run_dir = experiment.run_dir(1, 0)
    decode_run(experiment, 1, 0, Choice(epoch=3, avg=1))
    records = read_records([run_dir])
    assert is_post_hoc(records) and records[0]["epoch"] == 3
    assert "--epoch 3 --avg 1, averaged model (post-hoc: not chosen by valid)" in str(describe_records(records))
    decode_run(experiment, 1, 0)
    assert not is_post_hoc(read_records([run_dir])) and read_json(run_dir / "decode.json")["chosen_by"] == "valid"


@needs_icefall
def test_icefall_takes_our_checkpoints(experiment: Experiment) -> None:
    from icefall.checkpoint import (
        average_checkpoints,
        average_checkpoints_with_averaged_model,
        find_checkpoints,
        load_checkpoint,
    )

    run_dir = experiment.run_dir(1, 0)
    paths = {epoch: checkpoint_path(run_dir, epoch) for epoch in range(1, NUM_EPOCHS + 1)}
    ours = state(experiment, 3)
    network, average = (SpeechEqModel(ModelSpec.from_dict(ours["spec"])) for _ in range(2))
    optimizer = make_optimizer(network, experiment.conf)
    params = load_checkpoint(paths[3], model=network, model_avg=average, optimizer=optimizer, strict=True)
    assert_close(network.state_dict(), ours["model"])
    assert_close(average.state_dict(), ours["model_avg"])
    assert params["batch_idx_train"] == ours["batch_idx_train"] and params["average_period"] == 2

    weights, _, _ = choose_weights(run_dir, Choice(epoch=3, avg=2, use_averaged_model=False))
    assert_close(weights, average_checkpoints([paths[2], paths[3]]))
    weights, _, _ = choose_weights(run_dir, Choice(epoch=4, avg=2))
    assert_close(weights, average_checkpoints_with_averaged_model(str(paths[2]), str(paths[4])))

    found = find_checkpoints(run_dir)
    assert [Path(path) for path in found] == [path for _, path in RunFolder(run_dir).batches()]
    weights, _, _ = choose_weights(run_dir, Choice(iteration=10_000, avg=2))
    assert_close(weights, average_checkpoints_with_averaged_model(found[2], found[0]))

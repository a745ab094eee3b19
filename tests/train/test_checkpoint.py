"""What is in a checkpoint is checked before it is used; nothing here is trained."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from seq.conf import ModelConf
from seq.errors import InputError
from seq.models.model import ModelSpec, SpeechEqModel, kept_weights
from seq.tasks.base import Outputs
from seq.train.checkpoint import average_checkpoints, build_model, load_checkpoint, read_pointer, write_pointer

SPEC = ModelSpec(
    ModelConf(encoder="tdnn", channels=8, num_layers=1, kernel_size=3, feedforward=8, stem_channels=2, embedding_dim=8),
    20,
    {"emotion": Outputs("category", ("happy", "sad"))},
)


def make_state() -> dict[str, Any]:
    """A checkpoint after four batches."""
    weights = kept_weights(SpeechEqModel(SPEC))
    return {
        "model": weights,
        "model_avg": {name: value.double() for name, value in weights.items()},
        "batch_idx_train": 4,
        "average_period": 1,
        "epoch": 2,
        "best_epoch": 1,
        "best_score": [-1.0, 0.5],
        "history": [],
        "spec": SPEC.to_dict(),
        "conf": {"train": {"average_epochs": 2}},
        "optimizer": {},
    }


def test_a_whole_one_is_a_network(tmp_path: Path) -> None:
    torch.save(make_state(), tmp_path / "epoch-2.pt")
    state = load_checkpoint(tmp_path / "epoch-2.pt")
    assert build_model(state, state["model"], tmp_path).spec == SPEC


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("spec", None, "spec is missing"),
        ("conf", {}, r"conf\.train is missing"),
        (
            "conf",
            {"train": {"average_epochs": 0}},
            r"conf\.train\.average_epochs is 0: it must be a whole number from 1",
        ),
        ("conf", 5, "conf is 5"),
        ("average_period", 0, "average_period is 0"),
        ("batch_idx_train", "4", "batch_idx_train is '4'"),
        ("batch_idx_train", -1, "batch_idx_train is -1"),
        ("epoch", None, "epoch is missing"),
        ("history", 5, "history is 5: it must be a list"),
        ("model_avg", [], r"model_avg is \[\]: it must be a mapping"),
        ("model", {"weight": 1.0}, r"model\.weight is 1\.0"),
    ],
)
def test_what_it_lacks_or_cannot_hold_is_named(tmp_path: Path, key: str, value: object, said: str) -> None:
    state = {**make_state(), key: value}
    torch.save({key: value for key, value in state.items() if value is not None}, tmp_path / "epoch-2.pt")
    with pytest.raises(InputError, match=rf"epoch-2\.pt is not a checkpoint of SpeechEQ, .* stage 5: {said}") as error:
        load_checkpoint(tmp_path / "epoch-2.pt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("spec", "num_filters", 0, "num_filters is 0"),
        ("spec", "outputs", [], r"outputs is \[\]: it must be a mapping"),
        ("spec", "more", 1, "unknown key more"),
        ("spec", "level_db", None, "it has heard speech at other levels than the -26 dB of now"),
        ("model", "channels", None, r"model\.channels is null"),
        ("model", "kernel_size", 4, r"model\.kernel_size is 4: it must be an odd whole number"),
        ("model", "members", 3, r"model\.members is 3: it must divide"),
        ("model", "channels", 16, ""),
    ],
)
def test_a_network_that_cannot_be_is_named(section: str, key: str, value: object, said: str) -> None:
    state = copy.deepcopy(make_state())
    (state["spec"] if section == "spec" else state["spec"]["model"])[key] = value
    with pytest.raises(InputError, match=rf"a checkpoint in run was written by another version .*{said}"):
        build_model(state, state["model"], Path("run"))


def test_weights_of_different_networks_have_no_mean() -> None:
    start, end = make_state(), make_state()
    # These would be broadcast.
    start["model_avg"]["heads.emotion.bias"] = torch.zeros(1)
    with pytest.raises(InputError, match="are of different networks"):
        average_checkpoints({**start, "batch_idx_train": 2}, end)


def test_a_spoilt_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "epoch-2.pt"
    torch.save(make_state(), path)
    content, rng = path.read_bytes(), random.Random(0)
    for _ in range(60):
        spoilt = bytearray(content)
        for _ in range(rng.choice((1, 20, 400))):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        path.write_bytes(spoilt[: rng.choice((len(spoilt), rng.randrange(len(spoilt))))])
        try:
            load_checkpoint(path)
        except InputError as error:
            assert "epoch-2.pt" in str(error)


def test_a_pointer_names_an_epoch(tmp_path: Path) -> None:
    assert read_pointer(tmp_path, "best") is None
    write_pointer(tmp_path, "best", 3)
    assert read_pointer(tmp_path, "best") == 3
    (tmp_path / "best").write_bytes(b"\xff")
    with pytest.raises(InputError, match="best does not hold an epoch number"):
        read_pointer(tmp_path, "best")

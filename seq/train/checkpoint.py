"""Checkpoints: `epoch-N.pt` and `checkpoint-<batch>.pt` with icefall's keys, plain types inside, whole or absent.

    model           weights after epoch N                  optimizer, scheduler, grad_scaler, sampler   their states
    model_avg       float64 mean of the weights of all     batch_idx_train, average_period              as in icefall
                    batches so far (icefall's definition)  epoch, history, best_epoch, best_score, spec, conf, rng

The mean over the last epochs is the difference of two running means, so any range can be had afterwards.
`last` and `best` are text files that name an epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypedDict, cast

import torch
from torch import Tensor

from seq.errors import InputError
from seq.models.model import ModelSpec, SpeechEqModel, check_finite, kept_weights, load_kept_weights
from seq.utils.files import atomic_path, write_text
from seq.utils.run_folder import RunFolder
from seq.utils.typed_values import NonNegativeInt, PositiveInt, read_typed

StateDict = dict[str, Tensor]
Pointer = Literal["last", "best"]


class _StoredTrain(TypedDict):
    average_epochs: PositiveInt


class _StoredConf(TypedDict):
    train: _StoredTrain


class _Stored(TypedDict):
    """What a checkpoint must have to be read; there is more in it."""

    model: dict[str, Tensor]
    model_avg: dict[str, Tensor]
    batch_idx_train: NonNegativeInt
    average_period: PositiveInt
    epoch: NonNegativeInt
    best_epoch: NonNegativeInt
    best_score: list[Any]
    history: list[dict[str, Any]]
    spec: dict[str, Any]
    conf: _StoredConf


def checkpoint_path(run_dir: Path, epoch: int) -> Path:
    """Where the checkpoint of an epoch lies."""
    return RunFolder(run_dir).epoch(epoch)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint under a temporary name, then move it into place. Raises OSError where the disk is full."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # torch complains of its own position in the file, and hides what the disk said.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU without unpickling code.

    Raises:
        InputError: the file is missing, damaged, or not a checkpoint of SpeechEQ.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"checkpoint {path} does not exist: train first (stage 5)") from error
    except Exception as error:  # What a damaged pickle leads to has no common base class.
        raise InputError(f"checkpoint {path} cannot be read: delete it and run stage 5 again") from error
    complaint = f"{path} is not a checkpoint of SpeechEQ, and no other can be read: move it away and run stage 5"
    return cast("dict[str, Any]", read_typed(state, _Stored, complaint))


def load_newest(run_dir: Path, world_size: int = 1) -> dict[str, Any] | None:
    """The checkpoint from which training goes on: a batch after the last epoch, or that epoch; None where none is.

    Raises:
        InputError: it is damaged.
    """
    last = read_pointer(run_dir, "last")
    state = None if last is None else load_checkpoint(checkpoint_path(run_dir, last))
    trained = 0 if state is None else state["batch_idx_train"]
    number, path = next(iter(RunFolder(run_dir).batches()), (0, run_dir))
    if number <= trained:
        return state
    inside = load_checkpoint(path)
    # Other ranks had other batches; and earlier versions did not keep what is needed.
    return inside if len((inside.get("part") or {}).get("rng", ())) == world_size else state


def _pointer(run_dir: Path, name: Pointer) -> Path:
    folder = RunFolder(run_dir)
    return folder.best if name == "best" else folder.last


def write_pointer(run_dir: Path, name: Pointer, epoch: int) -> None:
    """Let `last` or `best` name an epoch."""
    write_text(_pointer(run_dir, name), f"{epoch}\n")


def read_pointer(run_dir: Path, name: Pointer) -> int | None:
    """The epoch that `last` or `best` names; None where there is none yet."""
    path = _pointer(run_dir, name)
    try:
        return int(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{path} does not hold an epoch number: delete it and run stage 5 again") from error


def prune_checkpoints(run_dir: Path, keep: set[int]) -> None:
    """Delete the checkpoints of all epochs but those in `keep`."""
    for epoch, path in RunFolder(run_dir).epochs():
        if epoch not in keep:
            path.unlink(missing_ok=True)


def save_batch_checkpoint(run_dir: Path, state: dict[str, Any], keep_last_k: int) -> None:
    """Write `checkpoint-<batch>.pt`, and delete all but the newest `keep_last_k` of them."""
    folder = RunFolder(run_dir)
    save_checkpoint(folder.batch(state["batch_idx_train"]), state)
    for _, path in folder.batches()[max(keep_last_k, 1) :]:
        path.unlink()


def start_average(model: torch.nn.Module) -> StateDict:
    """The running mean before the first batch: the weights themselves, in float64."""
    return {name: value.detach().double().clone() for name, value in kept_weights(model).items()}


def update_average(average: StateDict, model: torch.nn.Module, batch_idx_train: int, average_period: int) -> None:
    """Take the weights after batch `batch_idx_train` into the running mean (icefall's `update_averaged_model`)."""
    weight = average_period / batch_idx_train
    for name, value in kept_weights(model).items():
        average[name].lerp_(value.detach().double(), weight)


def average_between(end: StateDict, batch_end: int, start: StateDict | None, batch_start: int) -> StateDict:
    """Mean of the weights over the batches after `batch_start` up to `batch_end`, float32, from two running means."""
    if start is None or batch_end <= batch_start:
        return {name: value.float() for name, value in end.items()}
    weight_end = batch_end / (batch_end - batch_start)
    return {name: (value * weight_end + start[name] * (1.0 - weight_end)).float() for name, value in end.items()}


def average_checkpoints(start: dict[str, Any], end: dict[str, Any]) -> StateDict:
    """Mean of the weights over the batches after checkpoint `start` up to checkpoint `end`, float32.

    A running mean was last updated at the last multiple of `average_period`, as icefall has it.

    Raises:
        InputError: they are of different networks.
    """
    if _shapes(start["model_avg"]) != _shapes(end["model_avg"]):
        raise InputError(
            f"the checkpoints after batch {start['batch_idx_train']} and after batch {end['batch_idx_train']} are of "
            "different networks: move the run's folder away and run stage 5 again"
        )
    first, last = (s["batch_idx_train"] // s["average_period"] * s["average_period"] for s in (start, end))
    return average_between(end["model_avg"], last, start["model_avg"], first)


def _shapes(weights: StateDict) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}


def average_of(weights: list[StateDict]) -> StateDict:
    """Mean of several networks' weights, float32."""
    return {name: torch.stack([w[name].double() for w in weights]).mean(0).float() for name in weights[0]}


def averaged_weights(run_dir: Path, epoch: int, average_epochs: int, state: dict[str, Any] | None = None) -> StateDict:
    """The weights that decode: the mean over `average_epochs` epochs up to `epoch` (all epochs while there are fewer).

    Args:
        state: the content of the epoch's checkpoint if it is at hand.

    Raises:
        InputError: a checkpoint that is needed is missing or damaged.
    """
    end = state or load_checkpoint(checkpoint_path(run_dir, epoch))
    if epoch <= average_epochs:
        return average_between(end["model_avg"], end["batch_idx_train"], None, 0)
    start = load_checkpoint(checkpoint_path(run_dir, epoch - average_epochs))
    return average_checkpoints(start, end)


def load_model(run_dir: Path, epoch: int | None = None, encoder: str | None = None) -> tuple[SpeechEqModel, int]:
    """The network of a run in evaluation mode, with averaged weights, and its epoch (`best` unless given).

    Args:
        encoder: see `build_model`.

    Raises:
        InputError: nothing was trained there, or a checkpoint does not fit this version.
    """
    epoch = epoch if epoch is not None else read_pointer(run_dir, "best")
    if epoch is None:
        raise InputError(f"{run_dir} has no trained model: run stage 5 first")
    state = load_checkpoint(checkpoint_path(run_dir, epoch))
    weights = averaged_weights(run_dir, epoch, state["conf"]["train"]["average_epochs"], state)
    return build_model(state, weights, run_dir, encoder), epoch


def build_model(state: dict[str, Any], weights: StateDict, run_dir: Path, encoder: str | None = None) -> SpeechEqModel:
    """The network that a checkpoint describes, with `weights`, in evaluation mode.

    Args:
        encoder: folder of the pretrained encoder below, or "" for the hub's cache, if it is no more where it was when
            the network was trained.

    Raises:
        InputError: the checkpoint does not fit this version, weights are not finite, or the encoder is not at hand.
    """
    another = "was written by another version of the model, or is damaged: run stage 5 again"
    spec = ModelSpec.from_dict(state["spec"], f"a checkpoint in {run_dir} {another}")
    if encoder is not None:
        spec.model.pretrained.path = encoder
    try:
        model = SpeechEqModel(spec)
        load_kept_weights(model, weights)
    except RuntimeError as error:
        raise InputError(f"a checkpoint in {run_dir} {another}") from error
    check_finite(weights, str(run_dir))
    return model.eval()

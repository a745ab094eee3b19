"""The weights that a choice of checkpoints names, with icefall's definitions of the means over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seq.decode.choice import BY_VALID, POST_HOC, Choice
from seq.errors import InputError
from seq.train.checkpoint import (
    StateDict,
    average_checkpoints,
    average_of,
    averaged_weights,
    checkpoint_path,
    load_checkpoint,
    read_pointer,
)
from seq.utils.run_folder import RunFolder


def choose_weights(run_dir: Path, choice: Choice) -> tuple[StateDict, dict[str, Any], dict[str, Any]]:
    """The weights of a choice, the checkpoint that ends it, and what to note of it.

    With `use_averaged_model`, weights are the mean over all batches after the first checkpoint of the range up to the
    last one (from `model_avg`); without, the mean of the `model` of `avg` checkpoints. Both are icefall's definitions.

    Raises:
        InputError: nothing was trained, a checkpoint is missing (perhaps pruned), or the range begins before epoch 1.
    """
    if choice.iteration is not None:
        return _choose_batch(run_dir, choice, choice.iteration)
    epoch = choice.epoch if choice.epoch is not None else read_pointer(run_dir, "best")
    if epoch is None:
        raise InputError(f"{run_dir} has no trained model: run stage 5 first")
    state = _load(checkpoint_path(run_dir, epoch))
    average = choice.avg or state["conf"]["train"]["average_epochs"]
    record = _record(choice, average, {"epoch": epoch})
    if choice.is_default:
        return averaged_weights(run_dir, epoch, average, state), state, record
    if not choice.use_averaged_model:
        epochs = range(max(1, epoch - average + 1), epoch + 1)
        return average_of([_load(checkpoint_path(run_dir, number))["model"] for number in epochs]), state, record
    if average >= epoch:
        raise InputError(f"--epoch {epoch} --avg {average} begins before epoch 1: use --avg {epoch - 1} at most")
    return average_checkpoints(_load(checkpoint_path(run_dir, epoch - average)), state), state, record


def _choose_batch(run_dir: Path, choice: Choice, iteration: int) -> tuple[StateDict, dict[str, Any], dict[str, Any]]:
    average = choice.avg or 1
    found = [path for number, path in RunFolder(run_dir).batches() if number <= iteration]
    needed = average + choice.use_averaged_model
    if len(found) < needed:
        raise InputError(
            f"--iter {iteration} --avg {average} needs {needed} checkpoints up to that batch, and {run_dir} has "
            f"{len(found)}: train with train.save_every_batches and a train.keep_last_k of {needed} or more"
        )
    states = [load_checkpoint(path) for path in found[:needed]]
    record = _record(choice, average, {"iteration": states[0]["batch_idx_train"]})
    if choice.use_averaged_model:
        return average_checkpoints(states[-1], states[0]), states[0], record
    return average_of([state["model"] for state in states]), states[0], record


def _load(path: Path) -> dict[str, Any]:
    if not path.exists() and path.parent.exists():
        raise InputError(f"{path} was not trained or not kept: train with train.keep_all_epochs=true, or name another")
    return load_checkpoint(path)


def _record(choice: Choice, average: int, end: dict[str, int]) -> dict[str, Any]:
    chosen_by = BY_VALID if choice.is_default else POST_HOC
    return {"chosen_by": chosen_by, **end, "avg": average, "use_averaged_model": choice.use_averaged_model}

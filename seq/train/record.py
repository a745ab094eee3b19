"""run.json: what a run folder says of how its weights were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from seq.data.folds import ProtocolRecord
from seq.utils.files import read_json
from seq.utils.typed_values import NonNegativeFloat, NonNegativeInt, PositiveInt, read_typed


class RunRecord(TypedDict, total=False):
    """What stage 5 writes; another system's run may have a part of it, or no run.json at all."""

    fold: PositiveInt
    seed: NonNegativeInt
    # By which it was trained, and the model of local/conf.
    protocol: ProtocolRecord
    model: str
    command: str
    commit: str | None
    versions: dict[str, str | None]
    # Of finetuning: the model that it started from.
    start: dict[str, Any]
    tasks: list[str]
    # Tasks that were asked for and could not be learnt, and why.
    masked: dict[str, str]
    # None: no task is a sequence.
    ctc_backend: str | None
    num_parameters: NonNegativeInt
    epochs: PositiveInt
    best_epoch: PositiveInt
    # By task, as in history.jsonl (`seq.train.validation`).
    best_valid: dict[str, dict[str, float]]
    num_train: PositiveInt
    train_speakers: list[str]
    # A pretrained encoder below (`seq.models.pretrained.spec.EncoderSpec`), and the experiment that taught.
    encoder: dict[str, Any]
    teacher: str
    device: str
    precision: str
    threads: PositiveInt
    wall_seconds: NonNegativeFloat
    peak_rss_mib: NonNegativeFloat


def read_record(path: Path) -> RunRecord:
    """The run.json at `path`. Raises InputError, naming it, where it is not what stage 5 writes, or a part of that."""
    return read_typed(read_json(path), RunRecord, f"{path} is damaged, run stage 5 again")

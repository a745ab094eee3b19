"""run.json: what a run folder says of how its weights were made."""

from __future__ import annotations

from typing import Any, TypedDict


class RunRecord(TypedDict, total=False):
    """What stage 5 writes; another system's run may have a part of it, or no run.json at all."""

    fold: int
    seed: int
    # By which it was trained (`seq.data.folds.describe_protocol`), and the model of local/conf.
    protocol: dict[str, str | bool]
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
    num_parameters: int
    epochs: int
    best_epoch: int
    # By task, as in history.jsonl (`seq.train.validation`).
    best_valid: dict[str, dict[str, float]]
    num_train: int
    train_speakers: list[str]
    # A pretrained encoder below (`seq.models.pretrained.spec.EncoderSpec`), and the experiment that taught.
    encoder: dict[str, Any]
    teacher: str
    device: str
    precision: str
    threads: int
    wall_seconds: float
    peak_rss_mib: float

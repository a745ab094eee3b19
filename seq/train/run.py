"""Stage 5: train every fold with every seed, or go on where it was stopped."""

from __future__ import annotations

import contextlib
import os
import sys

from seq.conf import conf_to_dict
from seq.data.folds import describe_protocol
from seq.train.experiment import Experiment
from seq.train.identity import set_aside
from seq.train.jobs import run_jobs
from seq.train.record import RunRecord
from seq.utils.files import write_json
from seq.utils.lock import run_lock
from seq.utils.pool import Workers
from seq.utils.provenance import git_commit, package_versions
from seq.utils.run_folder import RunFolder


def train_run(experiment: Experiment, fold: int, seed: int, bar_row: int = 0) -> RunRecord:
    """Train one fold with one seed, or go on where it was stopped; returns what run.json holds."""
    # oneDNN keeps a compiled kernel per shape, 1024 of them by default: half a gigabyte that is hardly used twice.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    import torch

    torch.set_num_threads(experiment.conf.train.num_threads)
    from seq.models.model import num_parameters
    from seq.train.run_data import RunData
    from seq.train.trainer import Trainer

    run_dir = experiment.run_dir(fold, seed)
    is_first_rank, world_size = _rank() == 0, _world_size()
    with run_lock(run_dir) if is_first_rank else contextlib.nullcontext():
        run_dir.mkdir(parents=True, exist_ok=True)
        data = RunData(experiment, fold, seed)
        if is_first_rank:
            set_aside(run_dir, data.identity, world_size)
            for name, reason in data.masked.items():
                print(f"fold {fold} seed {seed}: {name} is not trained: {reason}", file=sys.stderr)
            data.lang.save(run_dir)
        if world_size > 1:
            # The others must not see what the first one is about to set aside.
            torch.distributed.barrier()
        trainer = Trainer(experiment.conf, data, run_dir, experiment.device, f"fold {fold} seed {seed}", bar_row)
        progress = trainer.run()
        history = progress.history
        run: RunRecord = {
            "fold": fold,
            "seed": seed,
            "command": experiment.command,
            "commit": git_commit(),
            "versions": package_versions(),
            **({"start": experiment.start.about} if experiment.start is not None else {}),
            "protocol": describe_protocol(experiment.protocol),
            "model": experiment.conf.model_name,
            "tasks": list(data.spec.outputs),
            "masked": data.masked,
            "ctc_backend": trainer.losses.ctc.name if data.spec.has_sequence else None,
            "num_parameters": num_parameters(trainer.model),
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "best_valid": history[progress.best_epoch - 1]["valid"],
            "num_train": data.num_train,
            "train_speakers": data.train_speakers,
            **({"encoder": data.spec.encoder.to_dict()} if data.spec.encoder is not None else {}),
            **({"teacher": experiment.conf.train.teacher} if data.lessons is not None else {}),
            "device": trainer.device.type,
            "precision": trainer.precision,
            "threads": torch.get_num_threads(),
            "wall_seconds": sum(row["seconds"] for row in history),
            "peak_rss_mib": max(row["peak_rss_mib"] for row in history),
        }
        if is_first_rank:
            write_json(RunFolder(run_dir).run_json, run)
    return run


def train_experiment(experiment: Experiment, folds: list[int], seeds: list[int], workers: Workers = 1) -> None:
    """Train every fold with every seed, side by side on a CPU or a cluster; under torchrun, one after the other."""
    jobs = [(fold, seed) for fold in folds for seed in seeds]
    if _rank() == 0:
        write_json(experiment.exp_dir / "conf.json", conf_to_dict(experiment.conf))
    if _world_size() > 1:
        _train_distributed(experiment, jobs)
    else:
        run_jobs(train_run, experiment, jobs, workers)


def _rank() -> int:
    """Which process of torchrun's this is."""
    return int(os.environ.get("RANK", "0"))


def _world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _train_distributed(experiment: Experiment, jobs: list[tuple[int, int]]) -> None:
    import torch
    import torch.distributed as dist

    from seq.train.device import pick_device

    dist.init_process_group("nccl" if torch.cuda.is_available() and experiment.device != "cpu" else "gloo")
    if (device := pick_device(experiment.device, _rank())).type == "cuda":
        # What ranks gather from each other goes through the GPU that torch takes for the current one.
        torch.cuda.set_device(device)
    try:
        for fold, seed in jobs:
            train_run(experiment, fold, seed)
            dist.barrier()
    finally:
        dist.destroy_process_group()

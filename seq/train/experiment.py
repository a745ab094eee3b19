"""An experiment: one conf and protocol over folds and seeds, each a run folder `fold_<k>/seed_<s>`."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq.conf import Conf, ProtocolConf, conf_to_dict
from seq.data.folds import Fold, describe_protocol, load_fold
from seq.data.shar import manifest_files
from seq.errors import InputError
from seq.labels import corpus_anchors
from seq.lang.tokens import TokenTable
from seq.lang.units import Lang, open_lang
from seq.train.identity import run_identity, set_aside
from seq.train.start import Start
from seq.utils.files import read_jsonl, write_json
from seq.utils.process import die_with_parent, run_lock
from seq.utils.provenance import git_commit, package_versions
from seq.utils.run_folder import RunFolder

if TYPE_CHECKING:
    from lhotse import CutSet

    from seq.data.batches import LabelEncoder, SpeechDataset
    from seq.decode.choice import Choice
    from seq.models.model import ModelSpec


@dataclass(frozen=True)
class Experiment:
    """What all runs of an experiment share."""

    conf: Conf
    protocol: ProtocolConf
    tasks: list[str]
    cuts: Path
    folds_dir: Path
    lang_dir: Path
    exp_dir: Path
    device: str = "auto"
    command: str = ""
    # None: random weights.
    start: Start | None = None

    def run_dir(self, fold: int, seed: int) -> Path:
        """The folder of one run."""
        return RunFolder.of(self.exp_dir, fold, seed).path

    def load_fold(self, number: int) -> Fold:
        """A fold, its parts and speakers checked against the cuts. Raises InputError where they overlap."""
        rows = (cut for path in manifest_files(self.cuts) for cut in read_jsonl(path))
        speakers = {cut["id"]: cut["supervisions"][0]["speaker"] for cut in rows}
        return load_fold(self.folds_dir, number, speakers)

    def open_lang(self, train_ids: list[str], run_dir: Path | None = None) -> Lang:
        """Tokens and transcripts of a fold (see `seq.lang.units.open_lang`); the tokens stay those of the start."""
        lang = open_lang(self.conf.lang, self.lang_dir, train_ids, run_dir)
        return lang if self.start is None else replace(lang, tokens=TokenTable(self.start.spec.tokens))


class RunData:
    """The data of one fold and seed, opened lazily, and what the network must be to learn it."""

    def __init__(self, experiment: Experiment, fold_number: int, seed: int) -> None:
        from seq.data.batches import NUM_BUCKETS, LabelEncoder

        self.seed = seed
        self._cuts = experiment.cuts
        self._unified = experiment.conf.unified
        self.fold = experiment.load_fold(fold_number)
        self.start = experiment.start
        self.lang = experiment.open_lang(self.fold.train)
        tokens = self.lang.tokens
        self.encoder: LabelEncoder = LabelEncoder(experiment.protocol, tokens, self.lang.transcripts)
        self.spec = self.start.spec if self.start is not None else _make_spec(experiment, tokens)
        self.num_train = len(self.fold.train)
        if self.num_train < NUM_BUCKETS:
            raise InputError(
                f"fold {fold_number} has {self.num_train} utterances to train on; {NUM_BUCKETS} are the least"
            )
        self.identity = run_identity(
            experiment.conf,
            experiment.protocol,
            experiment.tasks,
            self.fold,
            experiment.lang_dir,
            experiment.cuts,
            self.start,
        )

    def train_cuts(self) -> CutSet:
        """Cuts of the train part."""
        from seq.data.batches import open_cuts

        return open_cuts(self._cuts, self.fold.train)

    def sampled_cuts(self, dataset: SpeechDataset) -> CutSet:
        """The train part as training draws it: balanced between corpora where there are several."""
        if not self._unified.corpora:
            return self.train_cuts()
        from seq.data.balance import balanced_cuts

        return balanced_cuts(self._cuts, self.fold.train, self._unified.balance, dataset)

    def valid_cuts(self) -> CutSet:
        """Cuts of the valid part."""
        from seq.data.batches import open_cuts

        return open_cuts(self._cuts, self.fold.valid)


def _make_spec(experiment: Experiment, tokens: TokenTable) -> ModelSpec:
    """The network that an experiment trains from random weights."""
    from seq.models.model import ModelSpec

    return ModelSpec(
        model=experiment.conf.model,
        tasks=experiment.tasks,
        num_filters=experiment.conf.features.num_filters,
        emotions=experiment.protocol.emotions,
        anchors=list(corpus_anchors(experiment.conf.corpus)),
        tokens=list(tokens.symbols),
    )


def train_run(experiment: Experiment, fold: int, seed: int, bar_row: int = 0) -> dict[str, Any]:
    """Train one fold with one seed, or go on where it was stopped; returns what run.json holds."""
    # oneDNN keeps a compiled kernel per shape, 1024 of them by default: half a gigabyte that is hardly used twice.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    import torch

    torch.set_num_threads(experiment.conf.train.num_threads)
    from seq.models.model import num_parameters
    from seq.train.trainer import Trainer

    run_dir = experiment.run_dir(fold, seed)
    is_first_rank = int(os.environ.get("RANK", "0")) == 0
    with run_lock(run_dir) if is_first_rank else contextlib.nullcontext():
        run_dir.mkdir(parents=True, exist_ok=True)
        data = RunData(experiment, fold, seed)
        if is_first_rank:
            set_aside(run_dir, data.identity)
            data.lang.save(run_dir)
        trainer = Trainer(experiment.conf, data, run_dir, experiment.device, f"fold {fold} seed {seed}", bar_row)
        progress = trainer.run()
        history = progress.history
        run = {
            "fold": fold,
            "seed": seed,
            "protocol": describe_protocol(experiment.protocol),
            "model": experiment.conf.model_name,
            "command": experiment.command,
            "commit": git_commit(),
            "versions": package_versions(),
            **({"start": experiment.start.about} if experiment.start is not None else {}),
            "tasks": experiment.tasks,
            "ctc_backend": trainer.ctc.name,
            "num_parameters": num_parameters(trainer.model),
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "best_valid": history[progress.best_epoch - 1]["valid"],
            "num_train": data.num_train,
            "device": trainer.device.type,
            "precision": trainer.precision,
            "threads": torch.get_num_threads(),
            "wall_seconds": sum(row["seconds"] for row in history),
            "peak_rss_mib": max(row["peak_rss_mib"] for row in history),
        }
        if is_first_rank:
            write_json(RunFolder(run_dir).run_json, run)
    return run


def train_experiment(experiment: Experiment, folds: list[int], seeds: list[int], num_jobs: int = 1) -> None:
    """Train every fold with every seed, `num_jobs` side by side on a CPU; under torchrun, one after the other."""
    jobs = [(fold, seed) for fold in folds for seed in seeds]
    write_json(experiment.exp_dir / "conf.json", conf_to_dict(experiment.conf))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _train_distributed(experiment, jobs)
    else:
        _run_jobs(train_run, experiment, jobs, num_jobs)


def decode_experiment(
    experiment: Experiment, folds: list[int], seeds: list[int], num_jobs: int = 1, choice: Choice | None = None
) -> None:
    """Decode valid and test of every fold and seed with the weights that valid chose, or with those of `choice`."""
    jobs = [(fold, seed) for fold in folds for seed in seeds]
    _run_jobs(partial(_decode, choice=choice), experiment, jobs, num_jobs)


def _decode(experiment: Experiment, fold: int, seed: int, bar_row: int, choice: Choice | None = None) -> None:
    import torch

    torch.set_num_threads(experiment.conf.train.num_threads)
    from seq.decode.run import decode_run

    decode_run(experiment, fold, seed, choice)


def _run_jobs(
    function: Callable[[Experiment, int, int, int], object],
    experiment: Experiment,
    jobs: list[tuple[int, int]],
    num_jobs: int,
) -> None:
    """Call `function(experiment, fold, seed, row)` for every job, `num_jobs` at a time, one process each."""
    if num_jobs == 1 or len(jobs) == 1:
        for fold, seed in jobs:
            function(experiment, fold, seed, 0)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(num_jobs, len(jobs)), mp_context=context, initializer=die_with_parent) as pool:
        futures = [pool.submit(function, experiment, *job, i % num_jobs) for i, job in enumerate(jobs)]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _train_distributed(experiment: Experiment, jobs: list[tuple[int, int]]) -> None:
    import torch
    import torch.distributed as dist

    dist.init_process_group("nccl" if torch.cuda.is_available() and experiment.device != "cpu" else "gloo")
    try:
        for fold, seed in jobs:
            train_run(experiment, fold, seed)
            dist.barrier()
    finally:
        dist.destroy_process_group()

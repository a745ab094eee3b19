"""Training of one fold with one seed: a loop that can be killed at any moment and run again.

Every random draw of an epoch follows from (seed, epoch), and a checkpoint is whole or absent; so a run that was
killed, or stopped and continued, ends with the same weights, bit for bit on a CPU, as one that was not.
"""

from __future__ import annotations

import copy
import resource
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from seq.conf import Conf, conf_to_dict
from seq.data.batch import Batch
from seq.errors import InputError
from seq.models.model import SpeechEqModel, kept_weights, load_kept_weights
from seq.train.answers import predict
from seq.train.checkpoint import (
    averaged_weights,
    checkpoint_path,
    load_newest,
    prune_checkpoints,
    save_batch_checkpoint,
    save_checkpoint,
    start_average,
    update_average,
    write_pointer,
)
from seq.train.device import autocast, pick_device, pick_precision
from seq.train.epoch_part import EpochPart, set_random_state
from seq.train.even_ranks import even_batches, uncounted
from seq.train.loaders import open_loaders, plain_dataset
from seq.train.losses import (
    batch_losses,
    combine_losses,
    count_too_short,
    loss_setting,
    mean_counts,
)
from seq.train.optimizer import make_optimizer, set_learning_rate
from seq.train.progress import Progress
from seq.train.ranks import gather_over_ranks, learn_together
from seq.train.run_data import RunData
from seq.train.teacher import Taught
from seq.train.training_log import TrainingLog
from seq.train.validation import ValidScores, selection_score, valid_scores
from seq.utils.files import write_jsonl
from seq.utils.run_folder import RunFolder


class Trainer:
    """Trains the network of one run folder."""

    def __init__(
        self, conf: Conf, data: RunData, run_dir: Path, device_name: str = "auto", label: str = "", bar_row: int = 0
    ) -> None:
        """Build the network and what trains it, or go on from the last checkpoint of `run_dir`.

        Args:
            label: what the progress bar is called.
            bar_row: its row when several runs share a terminal.

        Raises:
            InputError: a checkpoint, the weights to start from or the data are not what they should be.
        """
        self.conf, self.data, self.run_dir = conf, data, run_dir
        self.label, self.bar_row = label, bar_row
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1
        self.device = pick_device(device_name, self.rank if self.world_size > 1 else None)
        self.precision = pick_precision(conf.train.precision, self.device)
        torch.manual_seed(data.epoch.seed)
        self.model = SpeechEqModel(data.spec)
        state = load_newest(run_dir, self.world_size)
        # The statistics of the features are among the weights.
        if state is not None:
            load_kept_weights(self.model, state["model"])
        elif data.start is not None:
            load_kept_weights(self.model, data.start.load())
        else:
            plain = plain_dataset(conf, data, self.model.front_end)
            self.model.front_end.fit(plain.load(cut) for cut in data.train_cuts())
        self.model.to(self.device)
        targets = (data.labeller.encode([cut]).targets for cut in data.train_labels())
        self.losses = loss_setting(conf, targets, data.spec.outputs, self.device)
        self.network: torch.nn.Module = self.model
        self.guess = None
        if data.lessons is not None and (num_statistics := data.lessons.num_statistics):
            self.guess = torch.nn.Linear(conf.model.embedding_dim, num_statistics, device=self.device)
            self.network = Taught(self.model, self.guess)
        self.optimizer = make_optimizer(self.network, conf)
        if self.world_size > 1:
            self.network = learn_together(self.network)
        self.average = start_average(self.model)
        self.progress = Progress()
        # Of the epoch that is trained, and random numbers to go on with in its middle.
        self.part = EpochPart()
        self.random_state: torch.Tensor | None = None
        if state is not None:
            self._resume(state)
        self.loader, self.valid_loader = open_loaders(
            conf, data, self.model.front_end, self.device, self.rank, self.world_size
        )
        self.eval_model = copy.deepcopy(self.model).eval()

    def _resume(self, state: dict[str, Any]) -> None:
        """What a checkpoint holds besides the weights."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = {name: value.to(self.device) for name, value in state["model_avg"].items()}
        self.progress = Progress.from_state(state)
        self.part, self.random_state = EpochPart.from_state(state.get("part"), self.rank, self.world_size)
        if self.guess is not None:
            self.guess.load_state_dict(state["guess"])

    def is_finished(self) -> bool:
        """Whether all epochs are trained, or valid has not improved for as long as conf allows."""
        patience = self.conf.train.early_stop_epochs
        stopped = self.progress.epoch - self.progress.best_epoch >= patience > 0
        return self.progress.epoch >= self.conf.train.num_epochs or stopped

    def run(self, stop_after_epoch: int | None = None) -> Progress:
        """Train until finished (or, for a test of resuming, until an epoch is done)."""
        num_epochs = self.conf.train.num_epochs
        log = TrainingLog(self.run_dir, self.label, self.progress.epoch, num_epochs, self.bar_row, self.rank == 0)
        while not self.is_finished() and self.progress.epoch != stop_after_epoch:
            log.epoch(self._run_epoch(log))
        log.close()
        if self.is_finished() and self.rank == 0 and not self.conf.train.keep_all_epochs:
            keep = {self.progress.best_epoch, self.progress.best_epoch - self.conf.train.average_epochs}
            prune_checkpoints(self.run_dir, keep | {self.progress.epoch})
        return self.progress

    def _run_epoch(self, log: TrainingLog) -> dict[str, Any]:
        started = time.monotonic()
        epoch = self.progress.epoch + 1
        train_losses = self._train_epoch(epoch, log)
        row: dict[str, Any] = {"epoch": epoch, "train": train_losses, "lr": self.optimizer.param_groups[0]["lr"]}
        row["valid"] = self._validate(epoch)
        row["seconds"] = time.monotonic() - started
        row["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.progress.epoch = epoch
        score = list(selection_score(row["valid"], self.conf.train.select_by))
        if score > self.progress.best_score:
            self.progress.best_epoch, self.progress.best_score = epoch, score
        self.progress.history.append(row)
        if self.rank == 0:
            self._save()
        if self.world_size > 1:
            # The other ranks read earlier checkpoints when they validate.
            dist.barrier()
        return row

    def _train_epoch(self, epoch: int, log: TrainingLog) -> dict[str, float]:
        conf = self.conf.train
        self.data.epoch.number = epoch
        self.loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        # Dropout is the only consumer of the global stream; the rank keeps the replicas' masks apart.
        torch.manual_seed((self.data.epoch.seed * 100_003 + epoch) * 1_009 + self.rank)
        self.network.train()
        self.loader.sampler.skip = self.part.batches  # type: ignore[attr-defined]
        batches = iter(self.loader)
        if self.random_state is not None:
            # After the loader, which draws a number when it begins.
            set_random_state(self.random_state, self.device)
            self.random_state = None
        for batch, own, size in even_batches(batches, self.loader, self.device):
            set_learning_rate(self.optimizer, self.conf, epoch - 1 + self.part.done(self.data.num_train))
            losses = self._train_batch(batch, self.world_size * own / size)
            self.part.add(size, count_too_short(batch.labels.targets, losses) if own else 0, losses)
            self._save_batch()
            log.batch(self.part.done(self.data.num_train), self.part.sums, self.progress.history)
        part, self.part = self.part, EpochPart()
        return part.means(conf)

    def _train_batch(self, batch: Batch, share: float) -> dict[str, tuple[float, int]]:
        """`share`: this rank's utterances, of the mean over ranks; of 0 nothing counts."""
        with autocast(self.device, self.precision):
            output = self.network(*batch.inputs_on(self.device))
        losses = batch_losses(output, batch, self.losses)
        losses = losses if share else uncounted(losses)
        loss = combine_losses(losses, self.conf.train, mean_counts(losses))
        if self.data.lessons is not None:
            loss = loss + share * self.data.lessons.loss(output, batch.ids, self.conf.train, batch.mix)
        if not torch.isfinite(loss):
            raise InputError(
                f"the training loss of {self.run_dir} became {loss.item()} in epoch {self.progress.epoch + 1}: "
                "lower train.learning_rate or raise train.warmup_epochs, and run stage 5 again"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.conf.train.gradient_clip)
        self.optimizer.step()
        self.progress.batch_idx_train += 1
        if self.progress.batch_idx_train % self.conf.train.average_period == 0:
            update_average(self.average, self.model, self.progress.batch_idx_train, self.conf.train.average_period)
        return {task: (float(total.detach()), round(float(count))) for task, (total, count) in losses.items()}

    def _save_batch(self) -> None:
        every = self.conf.train.save_every_batches
        if every and self.progress.batch_idx_train % every == 0:
            part = self.part.to_state(self.device)
            if self.rank == 0:
                save_batch_checkpoint(self.run_dir, {**self._state(), "part": part}, self.conf.train.keep_last_k)

    def _validate(self, epoch: int) -> ValidScores:
        """Scores of the valid part with the weights that decoding would use if this epoch were chosen."""
        state = {
            "model_avg": {name: value.cpu() for name, value in self.average.items()},
            "batch_idx_train": self.progress.batch_idx_train,
            "average_period": self.conf.train.average_period,
        }
        weights = averaged_weights(self.run_dir, epoch, self.conf.train.average_epochs, state)
        load_kept_weights(self.eval_model, weights)
        rows = [row for row, _ in predict(self.eval_model, self.valid_loader, self.losses.ctc, "fp32")]
        return valid_scores([row for share in gather_over_ranks(rows) for row in share], self.data.spec.outputs)

    def _state(self) -> dict[str, Any]:
        return {
            "model": kept_weights(self.model),
            "model_avg": self.average,
            "optimizer": self.optimizer.state_dict(),
            # bf16 needs no loss scaling; the key is there for icefall's loader.
            "grad_scaler": {},
            "average_period": self.conf.train.average_period,
            "rng": {"seed": self.data.epoch.seed, "epoch": self.progress.epoch},
            "spec": self.data.spec.to_dict(),
            "conf": conf_to_dict(self.conf),
            "identity": self.data.identity,
            **({} if self.guess is None else {"guess": self.guess.state_dict()}),
            **self.progress.to_state(),
        }

    def _save(self) -> None:
        progress = self.progress
        save_checkpoint(checkpoint_path(self.run_dir, progress.epoch), self._state())
        write_pointer(self.run_dir, "best", progress.best_epoch)
        write_pointer(self.run_dir, "last", progress.epoch)
        write_jsonl(RunFolder(self.run_dir).history, progress.history)
        if self.conf.train.keep_all_epochs:
            return
        # Any coming epoch may need the running mean of `average_epochs` before it.
        recent = range(progress.epoch - self.conf.train.average_epochs, progress.epoch + 1)
        prune_checkpoints(
            self.run_dir, {*recent, progress.best_epoch, progress.best_epoch - self.conf.train.average_epochs}
        )

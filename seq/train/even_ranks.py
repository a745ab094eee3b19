"""As many steps for every rank, though some have more batches: who has none left goes along and counts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch

from seq.data.batch import Batch
from seq.errors import InputError
from seq.train.losses import Loss
from seq.train.ranks import sum_over_ranks


def even_batches(
    batches: Iterator[Batch], all_batches: Iterable[Batch], device: torch.device
) -> Iterator[tuple[Batch, int, int]]:
    """Batches of this rank, each with how many of its utterances count, and how many do over all ranks.

    Gradients are averaged over ranks, so all of them must go through the network. What goes through it in vain is the
    first batch of the epoch, wherever in the epoch the rank began, so that it ends with the same random numbers.

    Args:
        batches: those that are left of this epoch.
        all_batches: those of the whole epoch.

    Raises:
        InputError: there are none.
    """
    idle: Batch | None = None
    while True:
        batch = next(batches, None)
        own = len(batch.ids) if batch is not None else 0
        total = sum_over_ranks(own, device)
        if not total:
            return
        if batch is None and idle is None:
            # A loader draws a random number when it begins.
            with torch.random.fork_rng(devices=[]):
                idle = next(iter(all_batches), None)
            if idle is None:
                raise InputError("a process has nothing to train on: take fewer of them (--gpus), or smaller shards")
        found = batch if batch is not None else idle
        assert found is not None
        yield found, own, total


def uncounted(losses: Mapping[str, Loss]) -> dict[str, Loss]:
    """The losses of a batch that goes along: 0, of no utterance, and yet of all weights."""
    return {task: (total * 0.0, count * 0) for task, (total, count) in losses.items()}

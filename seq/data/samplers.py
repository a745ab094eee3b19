"""What Lhotse's samplers of mini-batches do differently here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from lhotse import CutSet, MonoCut
from lhotse.dataset.sampling.base import CutSampler, TimeConstraint


class HeardSeconds(TimeConstraint):
    """Lhotse's limit on the seconds of a batch, of which each utterance has as many as this epoch hears of it.

    By the duration of what was said, a quarter of every batch is padding: speed and tempo move it by a third.
    """

    # Of what the batch holds; Lhotse leaves its type open.
    longest_seen: float

    def __init__(self, max_duration: float, seconds: Callable[[MonoCut], float]) -> None:
        super().__init__(max_duration=max_duration)
        self._seconds = seconds

    def measure_length(self, example: MonoCut) -> float:
        """Seconds."""
        return self._seconds(example)

    def add(self, example: MonoCut) -> None:
        """Count an utterance in."""
        self.num_cuts += 1
        self.longest_seen = max(self.longest_seen, self.measure_length(example))


class RankSampler:
    """The batches of a sampler that one of several ranks takes: no batch twice, and some ranks may have one more."""

    def __init__(self, sampler: CutSampler, rank: int, world_size: int) -> None:
        self.sampler, self.rank, self.world_size = sampler, rank, world_size

    def __iter__(self) -> Iterator[CutSet]:
        return itertools.islice(iter(self.sampler), self.rank, None, self.world_size)


class ResumedSampler:
    """A sampler whose next pass leaves out the first `skip` batches: nothing of them is loaded."""

    def __init__(self, sampler: CutSampler) -> None:
        self.sampler = sampler
        self.skip = 0

    def set_epoch(self, epoch: int) -> None:
        """Shuffle as this epoch does."""
        self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[CutSet]:
        skip, self.skip = self.skip, 0
        return itertools.islice(iter(self.sampler), skip, None)

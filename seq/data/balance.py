"""Balanced sampling between corpora: how often each corpus is drawn in an epoch, the same at every resumption.

A corpus of n utterances is drawn in proportion to n ** (1 - balance); an epoch is as long as the train part. A large
corpus is thinned, another choice in every epoch; of a small one, utterances come several times, augmented anew.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lhotse import CutSet
from lhotse.utils import fastcopy

from seq.data.epoch import Epoch
from seq.data.manifest_rows import corpus_of, manifest_rows
from seq.data.shar import shuffled_cuts

if TYPE_CHECKING:
    from lhotse.cut import MonoCut


def draws_per_utterance(sizes: dict[str, int], balance: float) -> dict[str, float]:
    """How often an utterance of each corpus comes in an epoch, on average; the draws sum to the utterances."""
    weights = {name: size ** (1.0 - balance) for name, size in sizes.items()}
    total, mass = sum(sizes.values()), sum(weights.values())
    return {name: total * weights[name] / mass / size for name, size in sizes.items()}


class Drawn:
    """The cuts of a corpus, each as often as `factor` says on average; which of them depends on seed and epoch."""

    def __init__(self, cuts: CutSet, factor: float, epoch: Epoch) -> None:
        self.cuts, self.factor, self.epoch = cuts, factor, epoch

    def __iter__(self) -> Iterator[MonoCut]:
        whole, rest = divmod(self.factor, 1.0)
        for cut in self.cuts:
            draw = random.Random(f"{self.epoch.seed} {self.epoch.number} {cut.id}").random()
            for copy in range(int(whole) + (draw < rest)):
                yield cut if copy == 0 else fastcopy(cut, custom={**(cut.custom or {}), "copy": copy})


def balanced_cuts(
    path: Path, ids: list[str], balance: float, epoch: Epoch, rank: int = 0, world_size: int = 1
) -> CutSet:
    """The cuts `ids` of a merged manifest, drawn and mixed (Lhotse's mux) as `balance` says; lazy.

    Of shards, those that `rank` of `world_size` sees; of one manifest all, and the sampler deals batches.
    """
    wanted = set(ids)
    corpus = {cut["id"]: corpus_of(cut) for cut in manifest_rows(path) if cut["id"] in wanted}
    sizes = Counter(corpus.values())
    factors = draws_per_utterance(dict(sizes), balance)
    names = sorted(sizes)

    def opened(name: str) -> CutSet:
        own = [id_ for id_ in ids if corpus[id_] == name]
        return shuffled_cuts(path, own, epoch, rank, world_size)

    drawn = [CutSet(Drawn(opened(name), factors[name], epoch)) for name in names]
    if len(drawn) == 1:
        return drawn[0]
    return CutSet.mux(*drawn, weights=[sizes[name] * factors[name] for name in names], seed=epoch.seed)

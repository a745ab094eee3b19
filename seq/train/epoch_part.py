"""What of an epoch is trained already, so that a run that is killed goes on in its middle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from seq.conf import TrainConf
from seq.train.losses import loss_scale
from seq.train.ranks import gather_over_ranks
from seq.train.training_log import TOO_SHORT


@dataclass
class EpochPart:
    """Counts of this rank's batches since the epoch began; a checkpoint holds those of the first rank."""

    batches: int = 0
    # Of all ranks, since the learning rate follows it, and one network cannot learn at two.
    utterances: int = 0
    # Utterances whose text does not fit into their frames.
    too_short: int = 0
    # By task, the sum of its losses and how many they are.
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, utterances: int, too_short: int, losses: Mapping[str, tuple[float, int]]) -> None:
        """Count a batch."""
        self.batches += 1
        self.utterances += utterances
        self.too_short += too_short
        for task, (total, count) in losses.items():
            previous = self.sums.get(task, (0.0, 0))
            self.sums[task] = (previous[0] + total, previous[1] + count)

    def done(self, num_train: int) -> float:
        """The part of the epoch that is done, 0 to 1 (utterances that are drawn twice count)."""
        return min(self.utterances / num_train, 1.0)

    def means(self, conf: TrainConf) -> dict[str, float]:
        """The mean loss of every task, and all of them together as training weighs them."""
        means = {task: total / max(count, 1) for task, (total, count) in self.sums.items()}
        loss = sum(loss_scale(conf, task) * mean for task, mean in means.items())
        return {"loss": loss, **means, **({TOO_SHORT: self.too_short} if self.too_short else {})}

    def to_state(self, device: torch.device) -> dict[str, Any]:
        """What a checkpoint holds of it, with the random numbers of all ranks; each of them must call this."""
        return {**asdict(self), "rng": gather_over_ranks(_random_state(device))}

    @staticmethod
    def from_state(state: Mapping[str, Any] | None, rank: int, world_size: int) -> tuple[EpochPart, Tensor | None]:
        """Inverse of `to_state`, and the random numbers of this rank; of a state that holds nothing, none.

        What another number of ranks left is not gone on with: their batches were others.
        """
        if state is None or len(state["rng"]) != world_size:
            return EpochPart(), None
        sums = {task: (total, count) for task, (total, count) in state["sums"].items()}
        return EpochPart(state["batches"], state["utterances"], state["too_short"], sums), state["rng"][rank]


def _random_state(device: torch.device) -> Tensor:
    """The state of the random numbers that dropout draws."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Go on drawing where `to_state` was called."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)

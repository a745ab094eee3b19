"""One mini-batch, on its way from the loader to the network and its losses.

Names follow icefall: `feature` (N, T, F), `feature_lens` (N,).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seq.data.mixing import Mix
from seq.data.targets import Labels


@dataclass
class Batch:
    """One mini-batch."""

    ids: list[str]
    speakers: list[str]
    # (N, T, F) fbank or frames of an encoder, zero beyond each utterance's end.
    feature: Tensor
    # (N,) frames.
    feature_lens: Tensor
    labels: Labels
    # (N, L, 2 C) statistics of an encoder's hidden states; None where fbank is read.
    statistics: Tensor | None = None
    # (N,) which of the corpora that have adapters each is from, -1 of none; None where there are no adapters.
    corpora: Tensor | None = None
    # Whom each is mixed with, in training with MixSpeech; ids, speakers and labels are its own.
    mix: Mix | None = None

    def inputs_on(self, device: torch.device) -> tuple[Tensor | None, ...]:
        """What the network takes, on a device."""
        inputs = (self.feature, self.feature_lens, self.statistics, self.corpora)
        return tuple(None if tensor is None else tensor.to(device, non_blocking=True) for tensor in inputs)

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU copies from by itself; torch's loader asks for it."""
        return replace(
            self,
            feature=self.feature.pin_memory(),
            feature_lens=self.feature_lens.pin_memory(),
            labels=self.labels.pin_memory(),
            statistics=None if self.statistics is None else self.statistics.pin_memory(),
            corpora=None if self.corpora is None else self.corpora.pin_memory(),
        )

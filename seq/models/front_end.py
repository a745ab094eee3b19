"""Front ends: from what was stored or recorded to frames.

A front end says what it reads, how wide its frames are (`dim`), how long (`frame_seconds`), how many layers it gives
(`num_layers`) and how many numbers on the utterance as a whole (`num_statistics`); network, pooling, decoding times,
export and runtime ask it. Another one is another class here or in a file of its own, made by `make_front_end`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seq.conf import ModelConf
from seq.data.batches import Reads, feature_statistics
from seq.data.encoded import Heard
from seq.data.fbank import FRAME_SHIFT_SECONDS
from seq.models.masking import frame_mask
from seq.models.subsampling import Conv2dSubsampling


@dataclass
class Frames:
    """What a front end gives."""

    # Its layers, (N, T, dim) each, zero on padding; the last one is what an encoder goes on with.
    layers: list[Tensor]
    # (N,) frames.
    lengths: Tensor
    # (N, num_statistics) numbers on the utterance as a whole; None where it has none.
    statistics: Tensor | None = None


class FrontEnd(nn.Module):
    """What every front end has."""

    reads: Reads
    dim: int
    frame_seconds: float
    num_layers: int
    num_statistics: int = 0

    def fit(self, heard: Iterable[Heard]) -> None:
        """Learn what is usual in the training set from its utterances, without gradients."""
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor, statistics: Tensor | None = None) -> Frames:
        """What it reads, (N, T, F) padded, (N,) lengths and, of an encoder, (N, L, 2 F) statistics -> frames."""
        raise NotImplementedError


class FbankFrontEnd(FrontEnd):
    """Stage 2's filter banks, normalised by the training set's statistics, through a convolutional stem."""

    reads = "fbank"
    num_layers = 1
    mean: Tensor
    std: Tensor

    def __init__(self, conf: ModelConf, num_filters: int) -> None:
        super().__init__()
        # A property of the model, not of whoever is being heard.
        self.register_buffer("mean", torch.zeros(num_filters))
        self.register_buffer("std", torch.ones(num_filters))
        self.subsampling = Conv2dSubsampling(num_filters, conf.channels, conf.subsampling, conf.stem_channels)
        self.dim = conf.channels
        self.frame_seconds = FRAME_SHIFT_SECONDS * conf.subsampling

    def fit(self, heard: Iterable[Heard]) -> None:
        mean, std = feature_statistics(item.feature for item in heard)
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, x: Tensor, lengths: Tensor, statistics: Tensor | None = None) -> Frames:
        x, lengths = self.subsampling((x - self.mean) / self.std, lengths)
        return Frames([x * frame_mask(lengths, x.size(1))], lengths)

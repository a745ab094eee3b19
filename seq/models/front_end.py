"""Front ends: from what was stored or recorded to frames.

A front end says what it reads, how wide its frames are (`dim`), how long (`frame_seconds`), and how many layers it
gives (`num_layers`); network, pooling, decoding times, export and runtime ask it. Another one is another class here or
in a file of its own, made by `make_front_end`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from seq.conf import ModelConf
from seq.data.fbank import FRAME_SHIFT_SECONDS
from seq.models.masking import frame_mask
from seq.models.subsampling import Conv2dSubsampling


class FrontEnd(nn.Module):
    """What every front end has."""

    # What `forward` takes: (N, T, F) fbank, or (N, S, 1) samples.
    reads: Literal["fbank", "samples"]
    dim: int
    frame_seconds: float
    num_layers: int
    # (F,) mean of what it reads over the training set; masked places hold it.
    mean: Tensor

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store mean and standard deviation (F,) of what it reads, over the training set."""
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """What it reads, padded, and (N,) lengths -> its layers, (N, T', dim) each, zero on padding, and (N,) frames.

        The last layer is what an encoder goes on with.
        """
        raise NotImplementedError


class FbankFrontEnd(FrontEnd):
    """Stage 2's filter banks, normalised by the training set's statistics, through a convolutional stem."""

    reads = "fbank"
    num_layers = 1
    std: Tensor

    def __init__(self, conf: ModelConf, num_filters: int) -> None:
        super().__init__()
        # A property of the model, not of whoever is being heard.
        self.register_buffer("mean", torch.zeros(num_filters))
        self.register_buffer("std", torch.ones(num_filters))
        self.subsampling = Conv2dSubsampling(num_filters, conf.channels, conf.subsampling, conf.stem_channels)
        self.dim = conf.channels
        self.frame_seconds = FRAME_SHIFT_SECONDS * conf.subsampling

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        x, lengths = self.subsampling((x - self.mean) / self.std, lengths)
        return [x * frame_mask(lengths, x.size(1))], lengths


def make_front_end(conf: ModelConf, num_filters: int) -> FrontEnd:
    """The front end of a network. `num_filters` is of the features that it reads."""
    return FbankFrontEnd(conf, num_filters)

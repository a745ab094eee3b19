"""A global mean token and a gate, after SELMA's front end (Wagner et al. 2025, arXiv 2501.19377).

As there: the mean of all frames joins them as one more token, which says how the utterance is as a whole, and a small
network decides for the token and for every frame what of it goes on. There a language model reads both; here TDNN
blocks read the frames, and the heads of the utterance the token, with what the network pools of these blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seq.conf import ModelConf
from seq.models.encoder import FrameEncoder
from seq.models.masking import frame_mask
from seq.models.pooling import AttentiveStatisticsPooling
from seq.models.tdnn import TdnnBlock


class Encoder(FrameEncoder):
    """The gate, and `num_layers` - 1 blocks above it."""

    def __init__(self, conf: ModelConf, dim: int) -> None:
        super().__init__(conf, dim)
        self.pooled_dim = 3 * dim
        self.gate = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.Sigmoid())
        self.blocks = nn.ModuleList(
            TdnnBlock(dim, conf.feedforward, conf.kernel_size, 1 + i % 4, conf.dropout)
            for i in range(conf.num_layers - 1)
        )
        self.pooling = AttentiveStatisticsPooling(dim)

    def forward(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        mask = frame_mask(lengths, x.size(1))
        layers = [self.gate(x) * x]
        for block in self.blocks:
            layers.append(block(layers[-1], mask))
        return layers

    def pool(self, layers: list[Tensor], lengths: Tensor) -> Tensor:
        # What the front end gave, which is zero on padding.
        frames = layers[-1 - self.num_layers].float()
        token = frames.sum(1) / lengths[:, None]
        return torch.cat([self.gate(token) * token, self.pooling(layers[-1], lengths)], dim=1)

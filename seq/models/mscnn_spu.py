"""MSCNN-SPU: parallel convolutions, statistical pooling, attention (Peng et al. 2021, arXiv 2106.04133).

As there: convolutions over 5, 7, 9 and 11 frames with 128 filters each; maximum, mean and standard deviation over time
of each; and with these as queries, attention over what was said. There, that is the ASR's words; here, the frames that
the phone branch reads, made by TDNN blocks, so that CTC teaches them what was said. No speaker vectors are added.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seq.conf import ModelConf
from seq.models.encoder import FrameEncoder
from seq.models.masking import frame_mask
from seq.models.tdnn import TdnnBlock

KERNELS = (5, 7, 9, 11)
NUM_FILTERS = 128


class Encoder(FrameEncoder):
    """The convolutions, and above them a branch of `num_layers` - 1 blocks for phones."""

    def __init__(self, conf: ModelConf, dim: int) -> None:
        super().__init__(conf, dim)
        self.dim = len(KERNELS) * NUM_FILTERS
        # Three statistics, and what each of them asks for.
        self.pooled_dim = 6 * self.dim
        self.scales = nn.ModuleList(nn.Conv1d(dim, NUM_FILTERS, width, padding=width // 2) for width in KERNELS)
        self.blocks = nn.ModuleList(
            TdnnBlock(self.dim, conf.feedforward, conf.kernel_size, 1 + i % 4, conf.dropout)
            for i in range(conf.num_layers - 1)
        )

    def forward(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        mask = frame_mask(lengths, x.size(1))
        x = torch.cat([scale(x.transpose(1, 2)) for scale in self.scales], dim=1).transpose(1, 2)
        layers = [nn.functional.relu(x) * mask]
        for block in self.blocks:
            layers.append(block(layers[-1], mask))
        return layers

    def pool(self, layers: list[Tensor], lengths: Tensor) -> Tensor:
        heard, said = layers[-self.num_layers].float(), layers[-1].float()
        n, t, _ = heard.shape
        mask = frame_mask(lengths, t)
        count = mask.sum(1)
        mean = heard.sum(1) / count
        variance = ((heard - mean[:, None]).square() * mask).sum(1) / count
        # The filters are not negative, so that padding, which is zero, is no maximum. The floor keeps the gradient of
        # the square root finite on constant input.
        statistics = torch.stack([heard.amax(1), mean, variance.clamp(min=1e-5).sqrt()], dim=1)
        # Every statistic of a width asks the part of the frames that stands for it.
        queries = statistics.view(n, 3, len(KERNELS), NUM_FILTERS)
        frames = said.view(n, t, len(KERNELS), NUM_FILTERS)
        scores = torch.einsum("nqwc,ntwc->nqwt", queries, frames) * NUM_FILTERS**-0.5
        weights = scores.masked_fill(mask.view(n, 1, 1, t) == 0, float("-inf")).softmax(dim=-1)
        answers = torch.einsum("nqwt,ntwc->nqwc", weights, frames)
        return torch.cat([statistics.flatten(1), answers.flatten(1)], dim=1)

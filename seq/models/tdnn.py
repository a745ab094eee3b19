"""Dilated depthwise TDNN with squeeze-and-excitation: cheap on a CPU, wide in context.

Sources: Peddinti et al. 2015 (TDNN), Hu et al. 2018 (squeeze-and-excitation),
Desplanques et al. 2020 (their use for speakers, ECAPA-TDNN).
"""

from __future__ import annotations

from torch import Tensor, nn

from seq.conf import ModelConf
from seq.models.convolutions import DepthwiseConv
from seq.models.dropout import Dropout
from seq.models.encoder import FrameEncoder
from seq.models.masking import frame_mask


class TdnnBlock(nn.Module):
    """Residual block: depthwise dilated convolution, two pointwise layers, channel gates from the whole utterance."""

    def __init__(self, channels: int, expansion: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv(channels, kernel_size, dilation)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, expansion)
        self.contract = nn.Linear(expansion, channels)
        bottleneck = max(channels // 4, 8)
        self.squeeze = nn.Linear(channels, bottleneck)
        self.excite = nn.Linear(bottleneck, channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C) frames and their mask (N, T, 1) -> (N, T, C), zero on padding."""
        y = self.contract(nn.functional.silu(self.expand(self.norm(self.depthwise(x))))) * mask
        mean = y.sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        gate = self.excite(nn.functional.relu(self.squeeze(mean))).sigmoid()
        return x + self.dropout(y * gate) * mask


class Encoder(FrameEncoder):
    """A stack of `TdnnBlock`s whose dilation grows 1, 2, 3, 4, 1, 2, ..."""

    def __init__(self, conf: ModelConf, dim: int) -> None:
        super().__init__(conf, dim)
        self.blocks = nn.ModuleList(
            TdnnBlock(dim, conf.feedforward, conf.kernel_size, 1 + i % 4, conf.dropout) for i in range(conf.num_layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        mask = frame_mask(lengths, x.size(1))
        layers = []
        for block in self.blocks:
            x = block(x, mask)
            layers.append(x)
        layers[-1] = self.norm(layers[-1]) * mask
        return layers

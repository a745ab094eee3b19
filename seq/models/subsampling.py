"""From fbank frames (10 ms) to encoder frames (20 or 40 ms)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seq.models.convolutions import OneMapConv
from seq.models.masking import frame_mask


class Conv2dSubsampling(nn.Module):
    """Two-dimensional convolutions over time and frequency, then a projection to the encoder's width.

    A small shift along the frequency axis (another vocal tract, another pitch) moves the maps only a little,
    which a linear map of each frame would not give.
    """

    def __init__(self, num_filters: int, channels: int, factor: int, stem_channels: int = 32) -> None:
        super().__init__()
        self.factor = factor
        time_strides = (2, 1) if factor == 2 else (2, 2)
        self.conv1 = OneMapConv(stem_channels, 3, stride=(time_strides[0], 2))
        self.conv2 = nn.Conv2d(stem_channels, stem_channels, 3, stride=(time_strides[1], 2), padding=1)
        self.strides = time_strides
        # The layout in memory that a CPU's convolutions are quickest with, and that their outputs inherit.
        for conv in (self.conv1, self.conv2):
            conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)
        bins = (((num_filters + 1) // 2) + 1) // 2
        self.norm = nn.LayerNorm(stem_channels * bins)
        self.project = nn.Linear(stem_channels * bins, channels)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, F) fbank and (N,) lengths -> (N, T', C) and (N,) subsampled lengths."""
        x = x * frame_mask(lengths, x.size(1))
        for conv, stride in zip((self.conv1, self.conv2), self.strides, strict=True):
            x = nn.functional.silu(conv(x))
            lengths = torch.div(lengths + stride - 1, stride, rounding_mode="floor")
            # What a convolution wrote on padding frames must not leak into the next one.
            x.mul_(frame_mask(lengths, x.size(2)).unsqueeze(1))
        n, c, t, f = x.shape
        norm, project = self.norm, self.project
        if not self.training:
            return project(norm(x.permute(0, 2, 1, 3).reshape(n, t, c * f))), lengths
        # The weights are those of channels by filters. They are turned, not what they meet: that stays as it lies.
        scale, shift, weight = (
            w.unflatten(-1, (c, f)).mT.flatten(-2) for w in (norm.weight, norm.bias, project.weight)
        )
        x = nn.functional.layer_norm(x.permute(0, 2, 3, 1).reshape(n, t, f * c), (f * c,), scale, shift, norm.eps)
        return nn.functional.linear(x, weight, project.bias), lengths

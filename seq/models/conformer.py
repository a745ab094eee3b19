"""Conformer encoder (Gulati et al. 2020) with rotary positions (Su et al. 2021), masked for padding."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seq.conf import ModelConf
from seq.models.convolutions import DepthwiseConv
from seq.models.dropout import Dropout
from seq.models.encoder import FrameEncoder
from seq.models.masking import frame_mask


def _rotate(x: Tensor) -> Tensor:
    """Rotary position embedding of (..., T, D), D even."""
    half = x.size(-1) // 2
    rates = 10000 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = torch.arange(x.size(-2), device=x.device, dtype=torch.float32)[:, None] * rates[None, :]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class SelfAttention(nn.Module):
    """Multi-head self-attention that sees no padding."""

    def __init__(self, channels: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = Dropout(dropout)
        self.project_in = nn.Linear(channels, 3 * channels)
        self.project_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        n, t, c = x.shape
        projected = self.project_in(x).view(n, t, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        visible = mask.view(n, 1, 1, t)
        (q, k), v = _rotate(projected[:2]), projected[2]
        if self.training and self.dropout.p:
            # What torch does, too, where dropout is asked for on a CPU; its masks are what costs.
            scores = (q / math.sqrt(q.size(-1))) @ k.transpose(-2, -1) + visible.log()
            y = self.dropout(scores.softmax(dim=-1)) @ v
        else:
            y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=visible.bool())
        return self.project_out(y.transpose(1, 2).reshape(n, t, c))


def _feedforward(channels: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(channels),
        nn.Linear(channels, hidden),
        nn.SiLU(),
        Dropout(dropout),
        nn.Linear(hidden, channels),
        Dropout(dropout),
    )


class ConformerBlock(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward."""

    def __init__(self, channels: int, hidden: int, num_heads: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.feedforward1 = _feedforward(channels, hidden, dropout)
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, num_heads, dropout)
        self.conv_norm = nn.LayerNorm(channels)
        self.conv_in = nn.Linear(channels, 2 * channels)
        self.depthwise = DepthwiseConv(channels, kernel_size)
        self.depthwise_norm = nn.LayerNorm(channels)
        self.conv_out = nn.Linear(channels, channels)
        self.feedforward2 = _feedforward(channels, hidden, dropout)
        self.norm = nn.LayerNorm(channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C) frames and their mask (N, T, 1) -> (N, T, C)."""
        x = torch.add(x, self.feedforward1(x), alpha=0.5)
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        y = nn.functional.glu(self.conv_in(self.conv_norm(x)), dim=-1) * mask
        x = x + self.dropout(self.conv_out(nn.functional.silu(self.depthwise_norm(self.depthwise(y)))))
        return self.norm(torch.add(x, self.feedforward2(x), alpha=0.5))


class Encoder(FrameEncoder):
    """A stack of `ConformerBlock`s."""

    def __init__(self, conf: ModelConf, dim: int) -> None:
        super().__init__(conf, dim)
        self.blocks = nn.ModuleList(
            ConformerBlock(dim, conf.feedforward, conf.num_heads, conf.kernel_size, conf.dropout)
            for _ in range(conf.num_layers)
        )

    def forward(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        mask = frame_mask(lengths, x.size(1))
        layers = []
        for block in self.blocks:
            x = block(x, mask) * mask
            layers.append(x)
        return layers

"""From a sequence of frames to one vector (Okabe et al. 2018, attentive statistics pooling)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seq.models.masking import frame_mask


class AttentiveStatisticsPooling(nn.Module):
    """Weighted mean and standard deviation over time; each channel has its own attention."""

    def __init__(self, channels: int, bottleneck: int = 64) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(channels, bottleneck), nn.Tanh(), nn.Linear(bottleneck, channels))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, C) and (N,) -> (N, 2 C)."""
        mask = frame_mask(lengths, x.size(1))
        scores = self.attention(x).float().masked_fill(mask == 0, float("-inf"))
        weights = scores.softmax(dim=1)
        x = x.float()
        mean = (weights * x).sum(1)
        variance = (weights * (x - mean.unsqueeze(1)).square()).sum(1)
        # The floor keeps the gradient of the square root finite on constant input.
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=-1)

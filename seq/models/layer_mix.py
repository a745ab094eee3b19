"""A learnt mixture of an encoder's layers (Peters et al. 2018; for speech, Yang et al. 2021, SUPERB)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Weighted mean of the layers' outputs, each normalised, with one learnt weight per layer.

    CTC drives the last layer towards what is said and away from how; the heads of the utterance may look below it.
    """

    def __init__(self, num_layers: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.scores = nn.Parameter(torch.zeros(num_layers))

    def forward(self, layers: list[Tensor]) -> Tensor:
        """`num_layers` times (N, T, C) -> (N, T, C)."""
        weights = self.scores.softmax(dim=0)
        terms = [weight * self.norm(layer) for weight, layer in zip(weights, layers, strict=True)]
        return torch.stack(terms).sum(dim=0)

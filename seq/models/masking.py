"""Padding masks, so that an utterance's answer does not depend on what it is batched with."""

from __future__ import annotations

import torch
from torch import Tensor


def frame_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """Float mask (N, T, 1): 1 on the first `lengths[n]` frames of item n, 0 on padding."""
    frames = torch.arange(num_frames, device=lengths.device)
    return (frames[None, :] < lengths[:, None]).unsqueeze(-1).float()

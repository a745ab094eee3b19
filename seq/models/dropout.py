"""Dropout whose masks cost little on a CPU.

There, torch draws a random number for every value, and takes its time to make a mask of it: a sixth of the time of
training from scratch. 16 random bits decide as well, a probability is met within 1/65536, and numpy is quick with them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

_BITS: Final = 16


def keep_mask(x: Tensor, p: float) -> Tensor:
    """A mask of the shape and type of `x`, 0 with probability `p` and else 1 / (1 - p), drawn on the CPU.

    Of torch's random numbers it takes one, a seed.
    """
    seed = int(torch.randint(2**63 - 1, ()))
    per_draw = 64 // _BITS
    draws = np.random.SFC64(seed).random_raw(-(-x.numel() // per_draw))
    keep = draws.view(np.uint16)[: x.numel()] >= round(p * 2**_BITS)
    return torch.from_numpy(keep * np.float32(1.0 / (1.0 - p))).view(x.shape).to(x.dtype)


class _MultiplyByMask(torch.autograd.Function):
    """x times a mask, which needs no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        mask = keep_mask(x, p)
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return grad * mask, None


class Dropout(nn.Module):
    """Set values to 0 with probability `p` in training, and scale the others so that their mean stays."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        # At 1 what is left has no scale; torch's answer is zeros.
        if not self.training or x.device.type != "cpu" or not 0.0 < self.p < 1.0:
            return nn.functional.dropout(x, self.p, self.training)
        return _MultiplyByMask.apply(x, self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"

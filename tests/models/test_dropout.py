"""Dropout: how often, how much, with what gradient; and that it is torch's where nothing is gained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seq.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_share_scale_and_gradient(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    # No multiple of four numbers, of which 64 random bits decide.
    x = torch.full((1001, 999), 2.0, dtype=dtype, requires_grad=True)
    y = Dropout(p)(x)
    zero = y == 0
    assert y.dtype == dtype
    assert zero.float().mean().item() == pytest.approx(p, abs=4 * (p * (1 - p) / x.numel()) ** 0.5 + 2**-16)
    # Neighbours, which come from one draw, and rows know nothing of each other.
    for left, right in ((zero[:, :-1], zero[:, 1:]), (zero[:-1], zero[1:])):
        both = (left & right).float().mean().item()
        assert both == pytest.approx(p * p, abs=0.003)
    assert torch.allclose(
        y[~zero].float(), torch.tensor(2.0 / (1.0 - p)), rtol=1e-2 if dtype == torch.bfloat16 else 1e-6
    )
    y.backward(torch.ones_like(y))
    assert x.grad is not None and torch.equal(x.grad, (y / 2.0).detach())


def test_a_seed_gives_the_same_mask_and_evaluation_none() -> None:
    x, dropout = torch.randn(3, 5, 7), Dropout(0.3)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(dropout(x))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert dropout.eval()(x) is x or torch.equal(dropout(x), x)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends_are_torchs(p: float) -> None:
    x = torch.randn(4, 6)
    assert torch.equal(Dropout(p)(x), nn.Dropout(p)(x))
    assert Dropout(0.5)(torch.empty(0, 3)).shape == (0, 3)

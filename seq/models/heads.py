"""Heads by kind of task: one linear layer, on the utterance's vector or on every frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seq.tasks.base import Outputs
from seq.tasks.registry import in_order

# Kinds whose head reads frames.
FRAME_KINDS = ("sequence",)


def make_heads(outputs: Mapping[str, Outputs], embedding_dim: int, frame_dim: int) -> nn.ModuleDict:
    """A head for each task: those of the utterance, then those of the frames."""
    tasks = sorted(in_order(outputs), key=lambda task: task.kind in FRAME_KINDS)
    dims = {task.name: frame_dim if task.kind in FRAME_KINDS else embedding_dim for task in tasks}
    return nn.ModuleDict({task.name: nn.Linear(dims[task.name], task.size(outputs[task.name])) for task in tasks})


def activate(kind: str, numbers: Tensor) -> Tensor:
    """What the numbers (N, K) of a head of the utterance mean: probabilities of classes or of thresholds."""
    return numbers.softmax(dim=-1) if kind == "category" else numbers.sigmoid()


def apply_heads(
    heads: nn.ModuleDict, outputs: Mapping[str, Outputs], embedding: Tensor, frames: Tensor, members: int = 1
) -> dict[str, Tensor]:
    """By task: (N, K) numbers of the utterance, or (N, T, V) log probabilities of the frames.

    Of several members in training, (M, N, K): what each says from its part of the embedding. Their mean is what the
    head says from all of it, so that afterwards they cost nothing.
    """
    numbers: dict[str, Tensor] = {}
    for name, head in heads.items():
        if outputs[name].kind in FRAME_KINDS:
            numbers[name] = head(frames).float().log_softmax(dim=-1)
        elif members > 1 and heads.training:
            assert isinstance(head, nn.Linear)
            parts = embedding.view(len(embedding), members, -1)
            weights = head.weight.view(len(head.weight), members, -1)
            numbers[name] = (members * torch.einsum("nme,kme->mnk", parts, weights) + head.bias).float()
        else:
            numbers[name] = head(embedding).float()
    return numbers


def silence_classes(heads: nn.ModuleDict, name: str, num_known: int) -> None:
    """Give a probability of exactly 0 to every class of a category from number `num_known` on, in place."""
    head = heads[name]
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.weight[num_known:] = 0.0
        head.bias[num_known:] = -torch.inf

"""What the processes that train one network together say to each other; of one by itself, what it says."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

Item = TypeVar("Item")


def sum_over_ranks(number: int, device: torch.device) -> int:
    """A number of every rank, added up; the number itself in a process of its own."""
    if not dist.is_initialized():
        return number
    total = torch.tensor(number, device=device)
    dist.all_reduce(total)
    return int(total)


def gather_over_ranks(item: Item) -> list[Item]:
    """What every rank has, in their order; the same list in all of them."""
    if not dist.is_initialized():
        return [item]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, item)
    return found


def learn_together(network: torch.nn.Module) -> DistributedDataParallel:
    """The network of every rank with the gradient of all."""
    return DistributedDataParallel(network, gradient_as_bucket_view=True)

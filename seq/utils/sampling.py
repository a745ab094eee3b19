"""Some of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def evenly(items: Sequence[T], number: int) -> list[T]:
    """At most `number` of the items, at even distances from the first to the last."""
    chosen = min(number, len(items))
    return [items[i * len(items) // chosen] for i in range(chosen)]

"""The one progress bar of the stages: nothing is drawn where nobody watches, in a log or a pipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(items: Iterable[Any] | None = None, **options: Any) -> tqdm[Any]:
    """tqdm's bar over `items`, or one to be updated by hand, on standard error if that is a terminal."""
    # None asks for the terminal, where False would not.
    return tqdm(items, disable=None, **options)

"""Where training stands."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """What a run has trained so far; all of it goes into every checkpoint."""

    epoch: int = 0
    batch_idx_train: int = 0
    best_epoch: int = 0
    best_score: list[float] = field(default_factory=lambda: [-math.inf, -math.inf])
    # Rows of history.jsonl.
    history: list[dict[str, Any]] = field(default_factory=list)

    def to_state(self) -> dict[str, Any]:
        """The keys of a checkpoint, icefall's among them."""
        return {
            "scheduler": {"epoch": self.epoch, "batch": self.batch_idx_train},
            "sampler": {"epoch": self.epoch},
            **vars(self),
        }

    @staticmethod
    def from_state(state: dict[str, Any]) -> Progress:
        """Inverse of `to_state`."""
        found = Progress(state["epoch"], state["batch_idx_train"], state["best_epoch"])
        found.best_score, found.history = list(state["best_score"]), list(state["history"])
        return found

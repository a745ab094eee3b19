"""Which epoch of a run is drawn: the one thing that sampling and augmentation depend on beside the cuts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Epoch:
    """Counts the epochs of a run; the trainer moves it on, those that draw at random read it."""

    seed: int
    number: int = 0

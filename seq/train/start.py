"""What training starts from where it is not random weights: a network that was trained before (`speecheq finetune`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq.utils.files import sha256

if TYPE_CHECKING:
    from seq.models.model import ModelSpec
    from seq.train.checkpoint import StateDict


@dataclass(frozen=True)
class Start:
    """Weights in a file, never unpickled, and the network that they fit: its sizes, labels and CTC symbols stay."""

    spec: ModelSpec
    # safetensors.
    weights: Path
    # Where they come from, as plain types: run.json and the model card say it.
    about: dict[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 of the weights."""
        return sha256(self.weights)

    def symbols(self) -> tuple[str, ...]:
        """The CTC symbols of the network; none where it has no such head."""
        return next((found.labels for found in self.spec.outputs.values() if found.kind == "sequence"), ())

    def load(self) -> StateDict:
        """The weights by name."""
        from safetensors.torch import load_file

        return load_file(self.weights)

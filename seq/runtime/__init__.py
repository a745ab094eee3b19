"""Predicting from an exported model: needs onnxruntime, numpy and soundfile (soxr for other rates than 16 kHz)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seq.errors import InputError

if TYPE_CHECKING:
    from seq.runtime.model import Model

# From 1.29 on, onnxruntime reports its use to Microsoft unless this is set before it is imported. Nobody who has
# recordings judged here has agreed to that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load_model(
    folder: Path | str, num_threads: int = 1, batch_seconds: float = 60.0, speaker: Path | str | None = None
) -> Model:
    """Load a model folder, and what is known of the speaker.

    Raises:
        InputError: the folder is not whole, the speaker's file is of another model, or onnxruntime is not installed.
    """
    try:
        from seq.runtime.model import Model
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install onnxruntime numpy soundfile soxr") from error
    return Model(folder, num_threads, batch_seconds, speaker)

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
    folder: Path | str | None = None,
    num_threads: int = 1,
    batch_seconds: float = 60.0,
    vad: str = "energy",
    risk: float | None = None,
    speaker: Path | str | None = None,
) -> Model:
    """Load a model folder (see `Model`), or the one that comes with the project.

    Raises:
        InputError: as `Model` does, or where that one is not there, or onnxruntime is not installed.
    """
    from seq.runtime.default_model import default_model

    try:
        from seq.runtime.model import Model
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install onnxruntime numpy soundfile soxr") from error
    return Model(default_model() if folder is None else folder, num_threads, batch_seconds, vad, risk, speaker)

"""SpeechEQ: emotion, intensity, gender and phonemes of an utterance from one network.

Importing the package loads neither torch, nor Lhotse, nor k2, nor onnxruntime.

    from seq import load

    model = load()  # the model that comes with the project, or load("model_folder")
    print(model.predict_file("speech.wav").emotion)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seq.runtime.model import Model

__version__ = "0.1.0"


def load(folder: Path | str | None = None, num_threads: int = 1, risk: float | None = None) -> Model:
    """Load a model folder that `speecheq export` wrote; `load(folder)(waveform, rate)` answers.

    Args:
        folder: the model that comes with the project if None; that one is for research, not for commerce.
        risk: see `seq.runtime.model.Model`.

    Raises:
        InputError: the folder is not whole or not there, or onnxruntime is not installed.
    """
    from seq.runtime import load_model

    return load_model(folder, num_threads, risk=risk)

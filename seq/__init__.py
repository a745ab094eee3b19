"""SpeechEQ: emotion, intensity, gender and phonemes of an utterance from one network.

Importing the package loads neither torch, nor Lhotse, nor k2, nor onnxruntime.

    from seq import load

    model = load("model_folder")  # load() is what local/build_default_model.sh has built
    print(model.predict_file("speech.wav").emotion)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seq.runtime.model import Model

__version__ = "0.1.0"


def load(
    folder: Path | str | None = None,
    num_threads: int = 1,
    vad: str = "energy",
    risk: float | None = None,
    speaker: Path | str | None = None,
) -> Model:
    """Load a model folder that `speecheq export` wrote; `load(folder)(waveform, rate)` answers.

    Args:
        folder: the model that comes with the project if None; that one is for research, not for commerce.
        num_threads: threads of one call of the network.
        vad: what finds the speech in recordings of more than 20 s: "energy", a rule about loudness, or "silero".
        risk: see `seq.runtime.model.Model`.
        speaker: what `speecheq enroll` wrote of the one who speaks, where that is known.

    Raises:
        InputError: the folder is not whole or not there, the speaker's file is of another model, or onnxruntime or the
            detector is not installed.
    """
    from seq.runtime import load_model

    return load_model(folder, num_threads, vad=vad, risk=risk, speaker=speaker)

"""An utterance whose recording is changed as a whole and trimmed afterwards, as whoever asks for a prediction has it.

Noise that begins where speech does tells a network where to listen; nobody's recordings do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from lhotse import MonoCut

from seq.audio.reading import SAMPLING_RATE, load_cut_audio, read_audio
from seq.audio.trimming import trim_silence
from seq.errors import InputError

Change = Callable[[np.ndarray], np.ndarray]
# What stage 1 writes, True, among the labels of an utterance that its corpus gives as a part of a longer recording.
SEGMENT: Final = "segment"


def changed_audio(cut: MonoCut, change: Change, trim: bool) -> np.ndarray:
    """(S,) samples of a cut, 16 kHz: its whole recording, changed and trimmed; of a segment nothing beyond it.

    Args:
        trim: whether silence is trimmed at all (`features.trim`).

    Raises:
        InputError: the manifest has no audio, or it cannot be read any more.
    """
    if cut.recording is None:
        raise InputError(f"the manifest has no audio for {cut.id}: pass the recipe whose stage 1 wrote it")
    if not trim or SEGMENT in (cut.supervisions[0].custom or {}):
        return change(load_cut_audio(cut))
    samples = change(read_audio(cut.recording.sources[0].source))
    start, end = (round(edge * SAMPLING_RATE) for edge in trim_silence(samples, SAMPLING_RATE))
    return samples[start:end]

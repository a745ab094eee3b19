"""Audio that is read again in every epoch, kept in memory as far as it fits: decoding is a third of augmenting it."""

from __future__ import annotations

from typing import Final

import numpy as np
from lhotse import MonoCut

from seq.audio.reading import load_cut_audio

# 70 minutes of speech.
MAX_BYTES: Final = 256 * 2**20


class Waveforms:
    """The audio of cuts. The first ones that fit stay: who is heard in turns gains nothing by the latest ones."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._kept: dict[str, np.ndarray] = {}
        self._left = max_bytes

    def load(self, cut: MonoCut) -> np.ndarray:
        """(S,) float32 samples, 16 kHz, not to be written to. Raises InputError as `load_cut_audio` does."""
        samples = self._kept.get(cut.id)
        if samples is None:
            samples = load_cut_audio(cut)
            if samples.nbytes <= self._left:
                # What was decoded may be a part of more.
                samples = samples.copy()
                self._kept[cut.id] = samples
                self._left -= samples.nbytes
            samples.flags.writeable = False
        return samples

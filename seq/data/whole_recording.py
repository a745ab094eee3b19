"""An utterance whose recording is changed as a whole and trimmed afterwards, as whoever asks for a prediction has it.

Noise that begins where speech does tells a network where to listen; nobody's recordings do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from lhotse import MonoCut

from seq.audio.reading import SAMPLING_RATE, load_cut_audio, read_audio
from seq.audio.trimming import trim_silence
from seq.errors import InputError
from seq.utils.files import read_jsonl

Change = Callable[[np.ndarray], np.ndarray]


@lru_cache(maxsize=2)
def cuts_of_files(cuts: Path) -> Counter[str]:
    """How many cuts of a manifest are in each audio file."""
    return Counter(cut["recording"]["sources"][0]["source"] for cut in read_jsonl(cuts) if "recording" in cut)


def changed_audio(cut: MonoCut, change: Change, cuts: Path, trim: bool) -> np.ndarray:
    """(S,) samples of a cut, 16 kHz: its whole recording, changed and trimmed, unless other utterances are in it, too.

    Args:
        cuts: the manifest that the cut is of.
        trim: whether silence is trimmed at all (`features.trim`).

    Raises:
        InputError: the manifest has no audio, or it cannot be read any more.
    """
    if cut.recording is None:
        raise InputError(f"the manifest has no audio for {cut.id}: pass the recipe whose stage 1 wrote it")
    path = str(cut.recording.sources[0].source)
    if not trim or cuts_of_files(cuts)[path] > 1:
        return change(load_cut_audio(cut))
    samples = change(read_audio(path))
    start, end = (round(edge * SAMPLING_RATE) for edge in trim_silence(samples, SAMPLING_RATE))
    return samples[start:end]

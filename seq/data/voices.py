"""Voices for the babble of copies that stage 2 makes, once for all folds.

Whoever speaks an utterance is in the train part wherever it is; of others nobody knows, since folds differ. So the
voices behind an utterance are its own speaker's, each slower or faster than it was, by which it becomes another one.
Where folds share speakers, some of these utterances may be of another part; nothing is learnt of what they are.
"""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from lhotse import MonoCut

from seq.audio.reading import SAMPLING_RATE, read_audio
from seq.data.augment import change_speed
from seq.utils.files import read_jsonl

NUM_VOICES: Final = 5
# Utterances of a speaker that voices are drawn from.
MAX_UTTERANCES: Final = 40
SPEEDS: Final = (0.8, 1.25)
# Of an utterance: where its audio is, and from where and how long it lasts (s).
Place = tuple[str, float, float]


@lru_cache(maxsize=2)
def _places(cuts: Path) -> dict[str, dict[str, Place]]:
    """By speaker, by id, where the first utterances of everybody are."""
    found: dict[str, dict[str, Place]] = {}
    for cut in read_jsonl(cuts):
        own = found.setdefault(str(cut["supervisions"][0]["speaker"]), {})
        if len(own) < MAX_UTTERANCES and "recording" in cut:
            own[cut["id"]] = (cut["recording"]["sources"][0]["source"], cut["start"], cut["duration"])
    return found


def draw_voices(cuts: Path, cut: MonoCut, rng: random.Random) -> list[np.ndarray]:
    """(S_i,) samples of other utterances of a cut's speaker, at most five; none where there are none."""
    own = _places(cuts).get(str(cut.supervisions[0].speaker), {})
    others = [place for id_, place in own.items() if id_ != cut.id]
    chosen = rng.sample(others, min(NUM_VOICES, len(others)))
    return [change_speed(read_audio(*place), SAMPLING_RATE, rng.uniform(*SPEEDS)) for place in chosen]

"""The named conditions under which a model is tested: everyday changes of a recording, each made the same every time.

Groups count once each in every mean, however many conditions they have. Rooms and noises are none that training draws,
nor, but for voices, the same for valid and for test: pink is no colour of training's noise, voices are of valid's
speakers, whom training has not heard, rooms and every draw come from seeds of their own. G.711 alone is a standard that
there is one of: where training had it, it has been heard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from seq.audio.channels import clip, narrow_band, opus, studio_form, telephone
from seq.audio.noise import add_noise, babble, coloured_noise
from seq.audio.rooms import draw_room, impulse_response, reverberate
from seq.utils.files import read_json
from seq.utils.run_folder import DecodedPart

# Raised when a condition changes, or what is left of a changed recording.
VERSION: Final = 2
# In an experiment's folder.
FOLDER: Final = "robustness"
MADE_FROM: Final = "made_from.json"
NUM_VOICES: Final = 6
# Share of the samples that are cut off.
CLIPPED: Final = 0.05
# An utterance is heard in one of so many rooms, by a microphone so far away (m).
NUM_ROOMS: Final = 4
DISTANCE: Final = (1.0, 2.0)


@dataclass(frozen=True)
class Surroundings:
    """What a change is made with: the part of a fold, a source of chance, and the voices of others, (S_i,) each."""

    part: DecodedPart
    rng: np.random.Generator
    voices: Sequence[np.ndarray]


# What changes (S,) samples at 16 kHz.
Change = Callable[[np.ndarray, Surroundings], np.ndarray]


@dataclass(frozen=True)
class Condition:
    """A change with a name, in a group."""

    name: str
    group: str
    change: Change
    # Whether augmentation may have let training hear the very same.
    may_be_heard: bool = False
    needs_voices: bool = False

    @property
    def slug(self) -> str:
        """Its name as a file has it."""
        return self.name.replace(" ", "_").replace(".", "p").replace("+", "plus")

    def apply(
        self, samples: np.ndarray, utterance: str, part: DecodedPart = "test", voices: Sequence[np.ndarray] = ()
    ) -> np.ndarray:
        """(S,) samples of an utterance, by its id, under this condition; the same every time."""
        return self.change(samples, Surroundings(part, _rng(part, self.name, utterance), voices))


def _rng(*names: str) -> np.random.Generator:
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _gain(samples: np.ndarray, at: Surroundings, decibels: float) -> np.ndarray:
    return (samples * 10 ** (decibels / 20)).astype(np.float32)


def _pink(samples: np.ndarray, at: Surroundings, snr_db: float) -> np.ndarray:
    return add_noise(samples, coloured_noise(len(samples), "pink", at.rng), snr_db)


def _babble(samples: np.ndarray, at: Surroundings, snr_db: float) -> np.ndarray:
    chosen = at.rng.permutation(len(at.voices))[:NUM_VOICES]
    return add_noise(samples, babble(len(samples), [at.voices[i] for i in chosen], at.rng), snr_db)


def _room(samples: np.ndarray, at: Surroundings, seconds: float) -> np.ndarray:
    return reverberate(samples, _response(at.part, int(at.rng.integers(NUM_ROOMS)), seconds))


@cache
def _response(part: DecodedPart, number: int, seconds: float) -> np.ndarray:
    rng = _rng(part, "room", str(number), str(seconds))
    return impulse_response(draw_room(rng, (seconds, seconds), DISTANCE), rng)


def _plain(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda samples, at: change(samples)


CLEAN: Final = Condition("clean", "", lambda samples, at: samples)
CONDITIONS: Final = (
    *(Condition(f"level {gain:+d} dB", "level", partial(_gain, decibels=gain)) for gain in (-30, -20, -10, 10)),
    Condition("8 kHz", "band", _plain(narrow_band)),
    Condition("mu-law", "band", _plain(telephone), may_be_heard=True),
    Condition("Opus 6 kbit", "band", _plain(opus)),
    *(Condition(f"pink {snr} dB", "pink noise", partial(_pink, snr_db=snr)) for snr in (20, 10, 5)),
    *(Condition(f"babble {snr} dB", "babble", partial(_babble, snr_db=snr), needs_voices=True) for snr in (20, 10, 5)),
    *(Condition(f"room {seconds} s", "rooms", partial(_room, seconds=seconds)) for seconds in (0.3, 0.6)),
    Condition("clipping", "clipping", _plain(partial(clip, share=CLIPPED))),
    Condition("44.1 kHz stereo 24 bit", "form", _plain(studio_form)),
)


def groups() -> dict[str, list[Condition]]:
    """The conditions of every group, in order."""
    found: dict[str, list[Condition]] = {}
    for condition in CONDITIONS:
        found.setdefault(condition.group, []).append(condition)
    return found


def made_from(run_dir: Path, part: DecodedPart) -> dict[str, Any]:
    """What the predictions of a run on a part were made from; empty where there are none."""
    path = condition_path(run_dir, CLEAN, part).with_name(MADE_FROM)
    return read_json(path) if path.is_file() else {}


def condition_path(run_dir: Path, condition: Condition, part: DecodedPart) -> Path:
    """Where the predictions of a run (exp/<name>/fold_<k>/seed_<s>) on a part under a condition are."""
    fold, seed = run_dir.parent.name, run_dir.name
    return run_dir.parents[1] / FOLDER / part / fold / seed / f"{condition.slug}.jsonl"

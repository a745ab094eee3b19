"""An utterance as another place or line would have recorded it: training that does not know the studio alone.

What `seq.data.conditions` tests with is never drawn here: no noise is pink, and rooms have seeds of their own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from seq.audio.channels import narrow_band, telephone
from seq.audio.noise import add_noise, babble, sloped_noise
from seq.audio.opening import audio_duration
from seq.audio.reading import SAMPLING_RATE, read_audio
from seq.audio.rooms import draw_room, impulse_response, reverberate
from seq.conf import AugmentConf
from seq.errors import InputError

# Raised when the same draws give other sounds.
VERSION: Final = 2
NUM_ROOMS: Final = 48
# Of these rooms: how long sound rings (s), and how far the microphone is (m).
DECAY: Final = (0.15, 0.7)
DISTANCE: Final = (0.5, 3.0)
# Of noise: with which power of frequency its power falls; 1 is pink, and those close to it are left out.
SLOPES: Final = ((-1.0, 0.7), (1.3, 2.0))
AUDIO_SUFFIXES: Final = frozenset((".wav", ".flac", ".ogg", ".mp3"))


def degrades(conf: AugmentConf) -> bool:
    """Whether `degrade` changes anything."""
    return max(conf.room_prob, conf.noise_prob, conf.band_prob) > 0


def degrade(
    samples: np.ndarray, conf: AugmentConf, rng: random.Random, voices: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """(S,) samples, 16 kHz, in a room, in noise, on a telephone, each with its probability; (S,) float32.

    Args:
        voices: (S_i,) what others say, for babble; without any, and without a folder of noises, noise is synthetic.

    Raises:
        InputError: `augment.noise_dir` holds no audio, or a file of it cannot be read.
    """
    if rng.random() < conf.room_prob:
        samples = reverberate(samples, _response(rng.randrange(NUM_ROOMS)))
    if rng.random() < conf.noise_prob:
        noise = _draw_noise(len(samples), conf.noise_dir, rng, voices)
        samples = add_noise(samples, noise, rng.uniform(conf.noise_snr_low, conf.noise_snr_high))
    if rng.random() < conf.band_prob:
        samples = rng.choice((narrow_band, telephone))(samples)
    return samples


def _draw_noise(num_samples: int, folder: str, rng: random.Random, voices: Sequence[np.ndarray]) -> np.ndarray:
    """(S,) noise of a kind that there is, each as likely as another, with an RMS of 1."""
    kinds = ["synthetic", *(["babble"] if voices else []), *(["folder"] if folder else [])]
    kind, generator = rng.choice(kinds), np.random.default_rng(rng.getrandbits(64))
    if kind == "babble":
        return babble(num_samples, voices, generator)
    if kind == "folder":
        return babble(num_samples, [_recorded(num_samples, rng.choice(noise_files(folder)), rng)], generator)
    return sloped_noise(num_samples, rng.uniform(*rng.choice(SLOPES)), generator)


@lru_cache(maxsize=4)
def noise_files(folder: str) -> tuple[Path, ...]:
    """The audio files below a folder, such as MUSAN's, in order. Raises InputError where there are none."""
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise InputError(f"augment.noise_dir {folder} has no audio (.wav, .flac, .ogg, .mp3): name another folder")
    return tuple(found)


def _recorded(num_samples: int, path: Path, rng: random.Random) -> np.ndarray:
    """A part of a recording as long as is wanted, or all of it."""
    rest = audio_duration(path) - num_samples / SAMPLING_RATE
    start = rng.uniform(0, rest) if rest > 0 else 0.0
    return read_audio(path, start, num_samples / SAMPLING_RATE)


@lru_cache(maxsize=NUM_ROOMS)
def _response(number: int) -> np.ndarray:
    generator = np.random.default_rng((VERSION, number))
    return impulse_response(draw_room(generator, DECAY, DISTANCE), generator)

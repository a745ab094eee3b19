"""Rooms: what a microphone some metres away hears of a voice.

Impulse responses of rooms with six flat walls by the image method (Allen and Berkley 1979), the images moved by some
centimetres so that the walls of a room are not as parallel as its equations (De Sena et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from seq.audio.level import speech_level
from seq.audio.reading import SAMPLING_RATE

SPEED_OF_SOUND: Final = 343.0
# How far images are moved at most, along each axis (m).
_JITTER: Final = 0.08
# Talker and microphone keep this far from every wall (m).
_MARGIN: Final = 0.5
_NUM_HALVINGS: Final = 12


@dataclass(frozen=True)
class Room:
    """A room: its size (length, width, height in m), the time in which sound in it falls by 60 dB (s), and how far the
    microphone is from the talker (m).
    """

    size: tuple[float, float, float]
    decay_seconds: float
    distance: float


def draw_room(rng: np.random.Generator, decay: tuple[float, float], distance: tuple[float, float]) -> Room:
    """A room as people live and work in, with a decay and a distance drawn between these ends."""
    size = (rng.uniform(3.0, 8.0), rng.uniform(2.5, 6.0), rng.uniform(2.4, 3.5))
    return Room(size, rng.uniform(*decay), min(rng.uniform(*distance), size[1] - 2 * _MARGIN))


def impulse_response(room: Room, rng: np.random.Generator) -> np.ndarray:
    """(S,) float32 at 16 kHz, the direct sound first and with an amplitude of 1; it lasts for `decay_seconds`.

    Talker and microphone stand where `rng` puts them. Walls reflect alike, as much as makes sound decay in that time.
    """
    size = np.array(room.size)
    talker, microphone = _places(size, room.distance, rng)
    delay, spread, count = _images(size, talker, microphone, room.decay_seconds, rng)
    num_samples = round(room.decay_seconds * SAMPLING_RATE)
    # What walls reflect is bounded by nothing and everything; sound decays in the time that is asked for in between.
    low, high, powers = 0.0, 1.0, np.arange(count.max() + 1)
    for _ in range(_NUM_HALVINGS):
        reflected = (low + high) / 2
        response = np.bincount(delay, spread * (reflected**powers)[count], num_samples)
        low, high = (low, reflected) if decay_time(response) > room.decay_seconds else (reflected, high)
    return response.astype(np.float32)


def decay_time(response: np.ndarray) -> float:
    """The time (s) in which sound falls by 60 dB, from -5 to -25 dB of its energy integrated backwards (ISO 3382)."""
    energy = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]
    begins, ends = (int(np.argmax(energy < energy[0] * 10 ** (-decibels / 10))) for decibels in (5, 25))
    # What rings on as loud to its end has no decay.
    return 3 * (ends - begins) / SAMPLING_RATE if ends else np.inf


def _images(
    size: np.ndarray, talker: np.ndarray, microphone: np.ndarray, seconds: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every image that is heard within some seconds of the direct sound, which is one of them: its delay after that
    (samples), its amplitude from its distance alone, and how many walls it stands behind.
    """
    reach = SPEED_OF_SOUND * seconds
    places, walls = [], []
    for axis in range(3):
        # The images of x stand at 2 n L + x, behind 2 |n| walls, and at 2 n L - x, behind |2 n - 1|.
        n = np.arange(-int(reach / (2 * size[axis])) - 1, int(reach / (2 * size[axis])) + 2)
        found = np.concatenate([2 * n * size[axis] + talker[axis], 2 * n * size[axis] - talker[axis]])
        places.append(found - microphone[axis])
        walls.append(np.concatenate([2 * np.abs(n), np.abs(2 * n - 1)]))
    squares = [np.square(place) for place in places]
    near = squares[0][:, None, None] + squares[1][:, None] + squares[2] < np.square(reach)
    chosen = np.nonzero(near)
    count = np.sum([wall[index] for wall, index in zip(walls, chosen, strict=True)], axis=0)
    offsets = np.stack([place[index] for place, index in zip(places, chosen, strict=True)])
    offsets = offsets + rng.uniform(-_JITTER, _JITTER, offsets.shape) * (count > 0)
    distance, direct = np.linalg.norm(offsets, axis=0), float(np.linalg.norm(talker - microphone))
    delay = np.round((distance - direct) / SPEED_OF_SOUND * SAMPLING_RATE).astype(np.int64)
    heard = (delay >= 0) & (delay < round(seconds * SAMPLING_RATE))
    return delay[heard], direct / distance[heard], count[heard]


def _places(size: np.ndarray, distance: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where talker and microphone stand, at about one height."""
    low, high = np.full(3, _MARGIN), size - _MARGIN
    for _ in range(1000):
        talker = rng.uniform(low, high)
        angle = rng.uniform(0, 2 * np.pi)
        microphone = talker + distance * np.array([np.cos(angle), np.sin(angle), 0.0])
        if (microphone >= low).all() and (microphone <= high).all():
            return talker, microphone
    # Along the longest wall, as far apart as the room lets them be.
    talker = size / 2
    axis = int(size.argmax())
    microphone = talker.copy()
    microphone[axis] = min(talker[axis] + distance, high[axis])
    return talker, microphone


def reverberate(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """(S,) samples in the room of an impulse response: (S,) float32, as loud as before; the end rings no further."""
    from scipy.signal import fftconvolve

    heard = fftconvolve(samples, response)[: len(samples)]
    change = speech_level(samples) - speech_level(heard)
    return (heard * 10 ** (change / 20) if np.isfinite(change) else heard).astype(np.float32)

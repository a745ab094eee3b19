"""Cut the speech in a long recording into overlapping windows, piece by piece; memory stays flat.

Where somebody speaks is said by a detector (`seq.runtime.detectors`). Pauses of 0.5 s or more end a stretch of speech;
stretches shorter than 0.2 s are dropped; 0.1 s is added on either side. A stretch longer than 10 s is cut into windows
of 10 s every 5 s; the last window ends with the stretch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from seq.audio.reading import SAMPLING_RATE
from seq.audio.trimming import TRIM_MARGIN_SECONDS
from seq.runtime.detectors import SpeechDetector
from seq.runtime.engine import Piece

WINDOW_SECONDS = 10.0
HOP_SECONDS = 5.0
PAUSE_SECONDS = 0.5
MIN_SPEECH_SECONDS = 0.2


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLING_RATE)


class Segmenter:
    """Takes samples (16 kHz) as they come and yields windows of speech as soon as they are known."""

    def __init__(self, detector: SpeechDetector) -> None:
        self._detector = detector
        # Samples from `_origin` on (an index into the recording) are kept.
        self._buffer = np.zeros(0, dtype=np.float32)
        self._origin = 0
        # The stretch of speech that is open: its first and last sample, and where its next window begins.
        self._start: int | None = None
        self._end = 0
        self._next = 0

    @property
    def nothing(self) -> str:
        """What a recording is that has no window."""
        return self._detector.nothing

    def push(self, samples: np.ndarray) -> Iterator[Piece]:
        """Take (S,) more samples; yield the windows that are complete."""
        self._buffer = np.concatenate([self._buffer, samples])
        yield from self._follow(self._detector.push(samples))

    def finish(self) -> Iterator[Piece]:
        """Yield the windows of what is left."""
        yield from self._follow(self._detector.finish())
        if self._start is not None:
            yield from self._close()

    def _follow(self, speech: Iterable[tuple[int, int]]) -> Iterator[Piece]:
        for start, end in speech:
            yield from self._extend(start, end)
        if self._start is not None and self._detector.judged - self._end >= _samples(PAUSE_SECONDS):
            yield from self._close()
        self._forget()

    def _extend(self, start: int, end: int) -> Iterator[Piece]:
        """Speech from sample `start` to `end`: the open stretch goes on, or a new one begins."""
        if self._start is not None and start - self._end >= _samples(PAUSE_SECONDS):
            yield from self._close()
        if self._start is None:
            self._start = start
            self._next = max(start - _samples(TRIM_MARGIN_SECONDS), 0)
        self._end = end
        while self._end > self._next + _samples(WINDOW_SECONDS):
            yield self._piece(self._next, self._next + _samples(WINDOW_SECONDS))
            self._next += _samples(HOP_SECONDS)

    def _close(self) -> Iterator[Piece]:
        """End the open stretch with its last window."""
        start, self._start = self._start, None
        assert start is not None
        if self._end - start < _samples(MIN_SPEECH_SECONDS):
            return
        margin = _samples(TRIM_MARGIN_SECONDS)
        end = min(self._end + margin, self._origin + len(self._buffer))
        yield self._piece(max(start - margin, end - _samples(WINDOW_SECONDS), 0), end)

    def _piece(self, start: int, end: int) -> Piece:
        return Piece(self._buffer[start - self._origin : end - self._origin].copy(), start / SAMPLING_RATE)

    def _forget(self) -> None:
        """Drop the samples that no window can need any more."""
        needed = self._detector.judged
        if self._start is not None:
            needed = min(needed, self._next - _samples(HOP_SECONDS))
        # The margin of a stretch that begins with the next frame.
        needed = max(needed - _samples(TRIM_MARGIN_SECONDS), self._origin)
        self._buffer = self._buffer[needed - self._origin :].copy()
        self._origin = needed

"""Find speech in a long recording, piece by piece, and cut it into overlapping windows; memory stays flat.

The rule generalises `seq.audio.trimming.trim_silence` and needs no model: frames of 25 ms every 10 ms; a frame is
voice where its power lies above a threshold, which is taken anew for every 30 s from those and the 30 s before:

    threshold = min(max(peak - 40 dB, floor + 6 dB), peak - 12 dB)    floor: 10th percentile of the frames' power

What is stationary (less than 12 dB between peak and floor) is kept, as there is no telling. Pauses of 0.5 s or more
end a stretch of speech; stretches shorter than 0.2 s are dropped; 0.1 s is added on either side. A stretch longer
than 10 s is cut into windows of 10 s every 5 s; the last window ends with the stretch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seq.audio.frames import frame_samples, frame_sums
from seq.audio.reading import SAMPLING_RATE
from seq.audio.trimming import TRIM_BELOW_PEAK_DB, TRIM_MARGIN_SECONDS
from seq.runtime.engine import Piece

WINDOW_SECONDS = 10.0
HOP_SECONDS = 5.0
BLOCK_SECONDS = 30.0
PAUSE_SECONDS = 0.5
MIN_SPEECH_SECONDS = 0.2

_FRAME, _SHIFT = frame_samples(SAMPLING_RATE)
_FLOOR_PERCENTILE = 10
_ABOVE_FLOOR_DB = 6.0
_STATIONARY_DB = 12.0
# A block whose loudest frame has less power than this (dB full scale) holds no voice.
_SILENT_DB = -80.0


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLING_RATE)


class Segmenter:
    """Takes samples (16 kHz) as they come and yields windows of speech as soon as they are known."""

    def __init__(self) -> None:
        # Samples from `_origin` on (an index into the recording) are kept.
        self._buffer = np.zeros(0, dtype=np.float32)
        self._origin = 0
        self._analysed = 0
        self._previous_db: np.ndarray = np.zeros(0)
        # The stretch of speech that is open: its first and last sample, and where its next window begins.
        self._start: int | None = None
        self._end = 0
        self._next = 0

    def push(self, samples: np.ndarray) -> Iterator[Piece]:
        """Take (S,) more samples; yield the windows that are complete."""
        self._buffer = np.concatenate([self._buffer, samples])
        block = _samples(BLOCK_SECONDS)
        while self._origin + len(self._buffer) >= self._analysed + block + _FRAME:
            yield from self._analyse(block // _SHIFT)

    def finish(self) -> Iterator[Piece]:
        """Yield the windows of what is left."""
        rest = self._origin + len(self._buffer) - self._analysed
        if rest >= _FRAME:
            yield from self._analyse(1 + (rest - _FRAME) // _SHIFT)
        if self._start is not None:
            yield from self._close()

    def _analyse(self, num_frames: int) -> Iterator[Piece]:
        """Judge the next frames; the buffer holds them whole."""
        first = self._analysed - self._origin
        signal = self._buffer[first : first + (num_frames - 1) * _SHIFT + _FRAME].astype(np.float64)
        power = frame_sums(np.square(signal - signal.mean()), SAMPLING_RATE) / _FRAME
        level = 10 * np.log10(np.maximum(power, 1e-20))
        # A stretch grows frame by frame where voice is, so only the edges of runs of voice matter.
        voiced = np.flatnonzero(level >= self._threshold(level))
        breaks = np.flatnonzero(np.diff(voiced) > 1)
        for a, b in zip([0, *(breaks + 1)], [*breaks, len(voiced) - 1], strict=True) if len(voiced) else ():
            yield from self._extend(
                self._analysed + int(voiced[a]) * _SHIFT, self._analysed + int(voiced[b]) * _SHIFT + _FRAME
            )
        self._previous_db = level
        self._analysed += num_frames * _SHIFT
        if self._start is not None and self._analysed - self._end >= _samples(PAUSE_SECONDS):
            yield from self._close()
        self._forget()

    def _threshold(self, level: np.ndarray) -> float:
        context = np.concatenate([self._previous_db, level])
        peak = float(context.max())
        if peak < _SILENT_DB:
            return np.inf
        floor = float(np.percentile(context, _FLOOR_PERCENTILE))
        return min(max(peak - TRIM_BELOW_PEAK_DB, floor + _ABOVE_FLOOR_DB), peak - _STATIONARY_DB)

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
        needed = self._analysed
        if self._start is not None:
            needed = min(needed, self._next - _samples(HOP_SECONDS))
        # The margin of a stretch that begins with the next frame.
        needed = max(needed - _samples(TRIM_MARGIN_SECONDS), self._origin)
        self._buffer = self._buffer[needed - self._origin :].copy()
        self._origin = needed

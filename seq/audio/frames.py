"""Short frames of a signal, of which a rule about loudness looks at the power: 25 ms long, every 10 ms."""

from __future__ import annotations

import numpy as np

FRAME_SECONDS = 0.025
SHIFT_SECONDS = 0.01


def frame_samples(rate: int) -> tuple[int, int]:
    """How many samples at `rate` a frame is long, and how many it is from the last one."""
    return round(FRAME_SECONDS * rate), round(SHIFT_SECONDS * rate)


def frame_sums(values: np.ndarray, rate: int) -> np.ndarray:
    """(S,) -> (T,) float64, the sum over each whole frame; none where there is less than one."""
    length, shift = frame_samples(rate)
    starts = np.arange(0, len(values) - length + 1, shift)
    cumulative = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return cumulative[starts + length] - cumulative[starts]

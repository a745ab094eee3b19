"""Leading and trailing silence: where speech begins and ends, by a rule that needs no model."""

from __future__ import annotations

import numpy as np

from seq.audio.frames import frame_samples, frame_sums

# A recording whose loudest sample lies below this (dB full scale) is silent.
SILENCE_PEAK_DB = -80.0

TRIM_BELOW_PEAK_DB = 40.0
TRIM_MARGIN_SECONDS = 0.1
TRIM_MIN_SECONDS = 0.3
# Noise is there where the quietest frames pass for speech and are hardly louder than the very quietest (percentiles,
# dB); speech is what is so much louder than they are, unless no frame is: then it is no noise behind speech.
NOISE_PERCENTILES = (2.0, 20.0)
NOISE_SPREAD_DB = 6.0
NOISE_MARGIN_DB = 4.0
NOISE_BELOW_PEAK_DB = 6.0


def is_silent(samples: np.ndarray) -> bool:
    """Whether every sample lies below -80 dB full scale."""
    return bool(np.abs(samples).max() < 10 ** (SILENCE_PEAK_DB / 20))


def trim_silence(samples: np.ndarray, rate: int) -> tuple[float, float]:
    """Find the part between leading and trailing silence, in seconds from the start of `samples` (T,).

    The rule knows this utterance and nothing else, so it holds for unseen speakers and in prediction: frames of
    25 ms every 10 ms, their mean power after removing the mean of the signal; the part runs from the first to
    the last frame within 40 dB of the loudest one and, where noise is steady, louder than it, with 0.1 s more on
    either side. Everything is kept where less than 0.3 s would remain, where the samples are silent, and, by the rule
    itself, where other voices are behind the speech.
    """
    trimmer = Trimmer(rate)
    trimmer.push(samples)
    return trimmer.kept()


class Trimmer:
    """`trim_silence` for a signal (at `rate` samples a second) that comes in blocks; holds 16 bytes per 10 ms of it."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._length, self._shift = frame_samples(rate)
        self.silent = True
        self._num_samples = 0
        # The mean of the first block, which is taken off everything: what is left to the mean of all is small.
        self._pivot = np.float64(0)
        # Of all samples less the pivot: their sum; per frame, by blocks, their sums and those of their squares.
        self._sum = 0.0
        self._sums: list[np.ndarray] = []
        self._squares: list[np.ndarray] = []
        # What the next frame begins with.
        self._rest = np.zeros(0)

    def push(self, samples: np.ndarray) -> None:
        """Take (S,) more samples."""
        if not len(samples):
            return
        if not self._num_samples:
            self._pivot = samples.mean(dtype=np.float64)
        self._num_samples += len(samples)
        self.silent = self.silent and is_silent(samples)
        signal = samples - self._pivot
        self._sum += float(signal.sum())
        signal = np.concatenate([self._rest, signal])
        for values, sums in ((signal, self._sums), (signal**2, self._squares)):
            sums.append(frame_sums(values, self._rate))
        self._rest = signal[len(self._sums[-1]) * self._shift :]

    def kept(self) -> tuple[float, float]:
        """The part that is kept, in seconds from the start."""
        whole = (0.0, self._num_samples / self._rate)
        if self._num_samples < self._length or self.silent:
            return whole
        power = np.concatenate(self._squares)
        if len(self._squares) > 1:
            # The sum of (x - m)^2, which is that of x^2 - 2 m x + m^2. Of a single block the pivot is the mean.
            mean = self._sum / self._num_samples
            power += mean * (self._length * mean - 2 * np.concatenate(self._sums))
        loud = np.flatnonzero(power >= _threshold(power))
        start = max(0.0, loud[0] * self._shift / self._rate - TRIM_MARGIN_SECONDS)
        end = min(whole[1], (loud[-1] * self._shift + self._length) / self._rate + TRIM_MARGIN_SECONDS)
        return (float(start), float(end)) if end - start >= TRIM_MIN_SECONDS else whole


def _threshold(power: np.ndarray) -> float:
    """The power from which on a frame is not silence, of the (T,) powers of all frames."""
    peak = power.max()
    threshold = peak * 10 ** (-TRIM_BELOW_PEAK_DB / 10)
    quietest, quiet = np.percentile(power, NOISE_PERCENTILES)
    noise = quiet * 10 ** (NOISE_MARGIN_DB / 10)
    is_steady = threshold <= quiet < quietest * 10 ** (NOISE_SPREAD_DB / 10)
    return float(noise if is_steady and noise < peak * 10 ** (-NOISE_BELOW_PEAK_DB / 10) else threshold)

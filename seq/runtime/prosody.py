"""How something is said, measured: pitch, its movement, loudness, harmonicity. Needs numpy only.

Pitch is the strongest peak of the autocorrelation of a Hann-windowed frame divided by that of the window (Boersma
1993, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound"); the height of the peak gives the harmonicity, in which breathy and hoarse voices are low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seq.audio.reading import SAMPLING_RATE

MIN_PITCH_HZ, MAX_PITCH_HZ = 75.0, 500.0
# Three periods of the lowest pitch.
_FRAME = round(3 / MIN_PITCH_HZ * SAMPLING_RATE)
_SHIFT = 320
_FFT = 2048
# A frame is voiced from this peak on, if it is not more than 30 dB below the loudest one.
_MIN_PEAK = 0.5
_BELOW_PEAK_DB = 30.0
# Of two peaks about as high, the one of the shorter period: Boersma's octave cost.
_OCTAVE_COST = 0.01
# Fewer voiced frames (of 20 ms) than this say nothing.
MIN_VOICED_FRAMES = 5


@dataclass(frozen=True)
class VoicedFrames:
    """The voiced frames of a stretch of speech; each array is (V,)."""

    pitch_hz: np.ndarray
    loudness_db: np.ndarray
    harmonicity_db: np.ndarray


@dataclass(frozen=True)
class Prosody:
    """Measures of a recording.

    pitch: median, in octaves above 1 Hz; movement: standard deviation of the pitch in semitones; loudness: mean level
    of voiced frames in dB full scale; harmonicity: median harmonics-to-noise ratio in dB; rate: phones a second.
    """

    pitch: float
    movement: float
    loudness: float
    harmonicity: float
    rate: float | None = None

    @property
    def pitch_hz(self) -> float:
        return float(2**self.pitch)


def voiced_frames(samples: np.ndarray) -> VoicedFrames:
    """Measure (S,) samples at 16 kHz, every 20 ms."""
    if len(samples) < _FRAME:
        samples = np.pad(samples, (0, _FRAME - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32), _FRAME)[::_SHIFT]
    frames = frames - frames.mean(axis=1, keepdims=True)
    level = 10 * np.log10(np.maximum(np.square(frames).mean(axis=1), 1e-12))
    loud = level >= level.max() - _BELOW_PEAK_DB
    frames, level = frames[loud], level[loud]
    window = np.hanning(_FRAME).astype(np.float32)
    correlation = _autocorrelation(frames * window)
    correlation /= np.maximum(correlation[:, :1], 1e-12)
    norm = _autocorrelation(window[None])
    first, last = int(SAMPLING_RATE / MAX_PITCH_HZ), int(SAMPLING_RATE / MIN_PITCH_HZ)
    lags = np.arange(first, last + 1)
    peaks = correlation[:, first : last + 1] / (norm / norm[:, :1])[:, first : last + 1]
    best = (peaks - _OCTAVE_COST * np.log2(lags / first)).argmax(axis=1)
    height = peaks[np.arange(len(peaks)), best]
    # A maximum at the border of the range is no peak but the slope of one outside.
    voiced = (height >= _MIN_PEAK) & (best > 0) & (best < len(lags) - 1)
    height = np.clip(height[voiced], 1e-3, 1 - 1e-4)
    lag = lags[best[voiced]] + _vertex(peaks[voiced], best[voiced])
    return VoicedFrames(SAMPLING_RATE / lag, level[voiced], 10 * np.log10(height / (1 - height)))


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    return np.fft.irfft(np.square(np.abs(np.fft.rfft(frames, _FFT))), _FFT)


def _vertex(peaks: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Where, between -0.5 and 0.5 lags from `best`, the parabola through three values has its top."""
    rows = np.arange(len(peaks))
    left, middle, right = peaks[rows, best - 1], peaks[rows, best], peaks[rows, best + 1]
    curvature = left - 2 * middle + right
    return np.clip(0.5 * (left - right) / np.where(curvature < 0, curvature, -np.inf), -0.5, 0.5)


def prosody(parts: Sequence[VoicedFrames], num_phones: int | None, seconds: float) -> Prosody | None:
    """Measures over all parts of a recording; None where hardly anything is voiced."""
    pitch = np.log2(np.concatenate([part.pitch_hz for part in parts])) if parts else np.zeros(0)
    if len(pitch) < MIN_VOICED_FRAMES:
        return None
    return Prosody(
        pitch=float(np.median(pitch)),
        movement=float(12 * pitch.std()),
        loudness=float(np.concatenate([part.loudness_db for part in parts]).mean()),
        harmonicity=float(np.median(np.concatenate([part.harmonicity_db for part in parts]))),
        rate=num_phones / seconds if num_phones is not None and seconds > 0 else None,
    )

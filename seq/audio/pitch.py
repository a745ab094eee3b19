"""Pitch of speech, frame by frame. Needs numpy only, since prediction shares it.

Pitch is the strongest peak of the autocorrelation of a Hann-windowed frame divided by that of the window (Boersma
1993, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound"); the height of the peak says how periodic the frame is, from 0 to 1.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class PitchTrack:
    """Frames of 40 ms, every 20 ms.

    pitch_hz: (T,), NaN where a frame is not voiced; height: (T,) of the highest peak, 0 in frames too quiet to look at;
    level_db: (T,), dB full scale; voiced: (T,) bool.
    """

    pitch_hz: np.ndarray
    height: np.ndarray
    level_db: np.ndarray
    voiced: np.ndarray


def track_pitch(samples: np.ndarray) -> PitchTrack:
    """Follow the pitch of (S,) samples at 16 kHz."""
    if len(samples) < _FRAME:
        samples = np.pad(samples, (0, _FRAME - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32), _FRAME)[::_SHIFT]
    frames = frames - frames.mean(axis=1, keepdims=True)
    level = 10 * np.log10(np.maximum(np.square(frames).mean(axis=1), 1e-12))
    loud = level >= level.max() - _BELOW_PEAK_DB
    peaks, lags = _correlations(frames[loud])
    best = (peaks - _OCTAVE_COST * np.log2(lags / lags[0])).argmax(axis=1)
    heights = peaks[np.arange(len(peaks)), best]
    is_peak = _is_peak(heights, best, len(lags))
    lag = lags[best[is_peak]] + _vertex(peaks[is_peak], best[is_peak])
    height, voiced = np.zeros(len(frames), heights.dtype), np.zeros(len(frames), bool)
    height[loud], voiced[loud] = np.clip(heights, 0, 1), is_peak
    pitch = np.full(len(frames), np.nan)
    pitch[voiced] = SAMPLING_RATE / lag
    return PitchTrack(pitch, height, level, voiced)


def is_periodic(frames: np.ndarray, min_peak: float) -> np.ndarray:
    """Whether frames (T, S) at 16 kHz have a peak of this height or more, (T,) bool; of each the first 40 ms count."""
    frames = np.pad(frames, ((0, 0), (0, max(0, _FRAME - frames.shape[1]))))[:, :_FRAME].astype(np.float32)
    peaks, lags = _correlations(frames - frames.mean(axis=1, keepdims=True))
    best = peaks.argmax(axis=1)
    return _is_peak(peaks[np.arange(len(peaks)), best], best, len(lags), min_peak)


def _is_peak(heights: np.ndarray, best: np.ndarray, num_lags: int, min_peak: float = _MIN_PEAK) -> np.ndarray:
    """Whether maxima (T,) of autocorrelations say that frames are voiced."""
    # A maximum at the border of the range is no peak but the slope of one outside.
    return (heights >= min_peak) & (best > 0) & (best < num_lags - 1)


def _correlations(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normalised autocorrelations (T, L) of frames, and their lags (L,) in samples."""
    window = np.hanning(_FRAME).astype(np.float32)
    correlation = _autocorrelation(frames * window)
    correlation /= np.maximum(correlation[:, :1], 1e-12)
    norm = _autocorrelation(window[None])
    first, last = int(SAMPLING_RATE / MAX_PITCH_HZ), int(SAMPLING_RATE / MIN_PITCH_HZ)
    peaks = correlation[:, first : last + 1] / (norm / norm[:, :1])[:, first : last + 1]
    return peaks, np.arange(first, last + 1)


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    return np.fft.irfft(np.square(np.abs(np.fft.rfft(frames, _FFT))), _FFT)


def _vertex(peaks: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Where, between -0.5 and 0.5 lags from `best`, the parabola through three values has its top."""
    rows = np.arange(len(peaks))
    left, middle, right = peaks[rows, best - 1], peaks[rows, best], peaks[rows, best + 1]
    curvature = left - 2 * middle + right
    return np.clip(0.5 * (left - right) / np.where(curvature < 0, curvature, -np.inf), -0.5, 0.5)

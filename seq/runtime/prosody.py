"""How something is said, measured: pitch, how it moves, how loudness does, harmonicity. Needs numpy only.

Harmonicity comes from the height of the autocorrelation's peak that gives the pitch (`seq.audio.pitch`); breathy and
hoarse voices are low in it. How loud a voice is depends on a microphone that nobody knows here, on its gain and how far
away it is: what is measured is how much loudness varies in the course of the recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seq.audio.pitch import track_pitch

# Fewer voiced frames (of 20 ms) than this say nothing.
MIN_VOICED_FRAMES = 5


@dataclass(frozen=True)
class VoicedFrames:
    """The voiced frames of a stretch of speech; each array is (V,)."""

    pitch_hz: np.ndarray
    level_db: np.ndarray
    harmonicity_db: np.ndarray


@dataclass(frozen=True)
class Prosody:
    """Measures of a recording.

    pitch: median, in octaves above 1 Hz; movement: standard deviation of the pitch in semitones; dynamics: standard
    deviation of the level of voiced frames in dB; harmonicity: median harmonics-to-noise ratio in dB; rate: phones a
    second.
    """

    pitch: float
    movement: float
    dynamics: float
    harmonicity: float
    rate: float | None = None

    @property
    def pitch_hz(self) -> float:
        return float(2**self.pitch)


def voiced_frames(samples: np.ndarray) -> VoicedFrames:
    """Measure (S,) samples at 16 kHz, every 20 ms."""
    track = track_pitch(samples)
    height = np.clip(track.height[track.voiced], 1e-3, 1 - 1e-4)
    return VoicedFrames(
        track.pitch_hz[track.voiced], track.level_db[track.voiced], 10 * np.log10(height / (1 - height))
    )


def prosody(parts: Sequence[VoicedFrames], num_phones: int | None, seconds: float) -> Prosody | None:
    """Measures over all parts of a recording; None where hardly anything is voiced."""
    pitch = np.log2(np.concatenate([part.pitch_hz for part in parts])) if parts else np.zeros(0)
    if len(pitch) < MIN_VOICED_FRAMES:
        return None
    return Prosody(
        pitch=float(np.median(pitch)),
        movement=float(12 * pitch.std()),
        dynamics=float(np.concatenate([part.level_db for part in parts]).std()),
        harmonicity=float(np.median(np.concatenate([part.harmonicity_db for part in parts]))),
        rate=num_phones / seconds if num_phones is not None and seconds > 0 else None,
    )

"""The one place where audio is read and resampled.

Everything is 16 kHz mono float32 in [-1, 1]: channels are averaged, other rates go through soxr (quality HQ).
Only numpy and soundfile are imported here, so that prediction can share the module.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seq.audio.opening import mono_blocks, open_audio
from seq.errors import InputError

if TYPE_CHECKING:
    from lhotse.cut import MonoCut

SAMPLING_RATE = 16000

# One analysis frame of the features, 25 ms: less audio than this has no features.
MIN_SAMPLES = 400


def read_audio(path: Path | str, start: float = 0.0, duration: float | None = None) -> np.ndarray:
    """Read audio, or the part of it from `start` for `duration` seconds, as (T,) float32, 16 kHz, mono.

    Only the part is decoded. T is the duration in seconds times 16000, rounded.

    Raises:
        InputError: the file is missing, unreadable, empty, not audio, truncated, has no samples in this part, has NaN,
            infinite or unscaled samples, or channels that cancel each other; the sentence names it.
    """
    with open_audio(path) as file:
        samples = np.concatenate(list(mono_blocks(file, path, start, duration)))
        return resample(samples, file.samplerate)


def load_cut_audio(cut: MonoCut) -> np.ndarray:
    """The audio of a cut, (cut.num_samples,) float32, 16 kHz, mono, read from its source file.

    Raises:
        InputError: the cut knows of no audio, or `read_audio` refuses it.
    """
    if cut.recording is None:
        raise InputError(
            f"the manifest has features but no audio for {cut.id}, and augmentation of waveforms needs it: train with "
            "--set augment.speed_prob=0 --set augment.noise_prob=0"
        )
    samples = read_audio(cut.recording.sources[0].source, cut.start, cut.duration)
    # Seconds were rounded to samples twice, at the rate of the file and at 16 kHz.
    return _fit(samples, cut.num_samples)


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Resample (T,) from `rate` to 16 kHz by soxr, quality HQ: (`resampled_length`,) float32."""
    if rate == SAMPLING_RATE:
        return samples
    resampled = import_soxr().resample(samples, rate, SAMPLING_RATE, quality="HQ")
    return _fit(resampled, resampled_length(len(samples), rate))


def resampled_length(num_samples: int, rate: int) -> int:
    """How many samples at 16 kHz so many at `rate` become: T * 16000 / rate, rounded half up."""
    return int(num_samples * SAMPLING_RATE / rate + 0.5)


def import_soxr() -> Any:
    """The resampler. Raises InputError where it is not installed."""
    # Imported where a rate asks for it: 16 kHz audio is predicted without it.
    try:
        import soxr
    except ModuleNotFoundError as error:
        raise InputError("audio at other rates than 16 kHz needs the resampler soxr: pip install soxr") from error
    return soxr


def _fit(samples: np.ndarray, num_samples: int) -> np.ndarray:
    """Cut or pad (with the last sample) to exactly `num_samples`; the difference is one or two samples of rounding."""
    if len(samples) >= num_samples:
        return samples[:num_samples]
    return np.pad(samples, (0, num_samples - len(samples)), mode="edge")

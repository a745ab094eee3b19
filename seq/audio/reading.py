"""The one place where audio is read, resampled, judged and trimmed.

Everything is 16 kHz mono float32 in [-1, 1]: channels are averaged, other rates go through soxr (quality HQ).
Only numpy and soundfile are imported here, so that prediction can share the module.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from seq.audio.faults import is_truncated_wav, no_samples, truncated, unreadable
from seq.errors import InputError

if TYPE_CHECKING:
    from lhotse.cut import MonoCut

SAMPLING_RATE = 16000

# One analysis frame of the features, 25 ms: less audio than this has no features.
MIN_SAMPLES = 400
# A recording whose loudest sample lies below this (dB full scale) is silent.
SILENCE_PEAK_DB = -80.0

# Floats of a file may be scaled as integers are, up to 32 bits; what is far larger overflows when it is squared.
MAX_MAGNITUDE = 2.0**32

TRIM_FRAME_SECONDS = 0.025
TRIM_SHIFT_SECONDS = 0.01
TRIM_BELOW_PEAK_DB = 40.0
TRIM_MARGIN_SECONDS = 0.1
TRIM_MIN_SECONDS = 0.3


def read_audio(path: Path | str, start: float = 0.0, duration: float | None = None) -> np.ndarray:
    """Read audio, or the part of it from `start` for `duration` seconds, as (T,) float32, 16 kHz, mono.

    Only the part is decoded. T is the duration in seconds times 16000, rounded.

    Raises:
        InputError: the file is missing, unreadable, empty, not audio, truncated, has no samples in this part,
            or has NaN or infinite samples; the sentence names it.
    """
    samples, rate, _ = _decode(Path(path), start, duration)
    return resample(samples, rate)


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


def inspect_audio(path: Path | str, trim: bool) -> dict[str, Any]:
    """Decode a whole file and describe it: a row of the audio table, without its path.

    Keys: sampling_rate (Hz), num_channels, num_samples (at that rate), silent, start and end (seconds: the part
    that `trim_silence` keeps, or everything where `trim` is off or the file is silent), digest (of the decoded samples:
    copies have the same, in whatever format).

    Raises:
        InputError: as `read_audio`, and for a file that is too short for one frame of features (25 ms).
    """
    samples, rate, num_channels = _decode(Path(path), 0.0, None)
    start, end = 0.0, len(samples) / rate
    resampled = resample(samples, rate)
    if len(resampled) < MIN_SAMPLES:
        raise InputError(f"{path} is {1000 * end:.0f} ms long, less than one frame of 25 ms: remove it or replace it")
    silent = is_silent(resampled)
    if trim and not silent:
        # On the 16 kHz signal, so that the rule keeps the same part of a 48 kHz file and of its 16 kHz copy.
        kept_start, kept_end = trim_silence(resampled, SAMPLING_RATE)
        start, end = kept_start, min(kept_end, end)
    return {
        "sampling_rate": rate,
        "num_channels": num_channels,
        "num_samples": len(samples),
        "silent": silent,
        "start": round(start, 6),
        "end": round(end, 6),
        "digest": hashlib.blake2b(np.ascontiguousarray(samples), digest_size=16).hexdigest(),
    }


def is_silent(samples: np.ndarray) -> bool:
    """Whether every sample lies below -80 dB full scale."""
    return bool(np.abs(samples).max() < 10 ** (SILENCE_PEAK_DB / 20))


def trim_silence(samples: np.ndarray, rate: int) -> tuple[float, float]:
    """Find the part between leading and trailing silence, in seconds from the start of `samples` (T,).

    The rule knows this utterance and nothing else, so it holds for unseen speakers and in prediction: frames of
    25 ms every 10 ms, their mean power after removing the mean of the signal; the part runs from the first to
    the last frame within 40 dB of the loudest one, with 0.1 s more on either side. Everything is kept where less
    than 0.3 s would remain, where the samples are silent, and, by the rule itself, where the noise floor is high.
    """
    whole = (0.0, len(samples) / rate)
    length, shift = round(TRIM_FRAME_SECONDS * rate), round(TRIM_SHIFT_SECONDS * rate)
    if len(samples) < length or is_silent(samples):
        return whole
    signal = samples - samples.mean(dtype=np.float64)
    cumulative = np.concatenate([[0.0], np.cumsum(signal**2)])
    starts = np.arange(0, len(samples) - length + 1, shift)
    power = cumulative[starts + length] - cumulative[starts]
    loud = np.flatnonzero(power >= power.max() * 10 ** (-TRIM_BELOW_PEAK_DB / 10))
    start = max(0.0, starts[loud[0]] / rate - TRIM_MARGIN_SECONDS)
    end = min(whole[1], (starts[loud[-1]] + length) / rate + TRIM_MARGIN_SECONDS)
    return (float(start), float(end)) if end - start >= TRIM_MIN_SECONDS else whole


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Resample (T,) from `rate` to 16 kHz by soxr, quality HQ: (T * 16000 / rate, rounded half up) float32."""
    if rate == SAMPLING_RATE:
        return samples
    num_samples = int(len(samples) * SAMPLING_RATE / rate + 0.5)
    return _fit(import_soxr().resample(samples, rate, SAMPLING_RATE, quality="HQ"), num_samples)


def audio_duration(path: Path | str) -> float:
    """Seconds of a file by its header. Raises InputError where it cannot be opened."""
    try:
        with soundfile.SoundFile(path) as file:
            return file.frames / file.samplerate
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: headerless, by its suffix.
        raise InputError(unreadable(Path(path))) from error


def check_finite(samples: np.ndarray, name: Path | str) -> np.ndarray:
    """The samples themselves. Raises InputError where one is NaN, infinite, or beyond every scale of audio."""
    remedy = "convert it again from its source, or remove it"
    if not np.isfinite(samples).all():
        raise InputError(f"{name} has samples that are NaN or infinite: {remedy}")
    if len(samples) and (peak := float(np.abs(samples).max())) > MAX_MAGNITUDE:
        raise InputError(f"{name} has samples as large as {peak:.0e}, where audio reaches 1: {remedy}")
    return samples


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


def _decode(path: Path, start: float, duration: float | None) -> tuple[np.ndarray, int, int]:
    """Samples (T,) float32 at the rate of the file, averaged over channels; the rate; the number of channels."""
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, total = file.samplerate, file.channels, file.frames
            first = int(start * rate + 0.5)
            wanted = total - first if duration is None else min(int(duration * rate + 0.5), total - first)
            if wanted <= 0:
                raise InputError(no_samples(path, start, total / rate))
            if first:
                file.seek(first)
            samples = file.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(unreadable(path)) from error
    if len(samples) < wanted or is_truncated_wav(path):
        raise InputError(truncated(path))
    mono = samples[:, 0] if channels == 1 else samples.mean(axis=1)
    return check_finite(mono, path), rate, channels

"""What lies between a voice and a file: a telephone's band, codecs, an amplifier that clips, forms of files."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import soundfile

from seq.audio.level import LEVEL_DB, normalise_level, speech_level
from seq.audio.reading import SAMPLING_RATE, import_soxr, resample

TELEPHONE_RATE: Final = 8000


def narrow_band(samples: np.ndarray) -> np.ndarray:
    """(S,) samples, 16 kHz, as 8 kHz leave them: (S,) float32 with nothing above 4 kHz."""
    return _back(_to_rate(samples, TELEPHONE_RATE), TELEPHONE_RATE, len(samples))


def telephone(samples: np.ndarray) -> np.ndarray:
    """(S,) samples, 16 kHz, through G.711: 8 kHz and 8 bits of mu-law, spoken at the level of a telephone line."""
    return _coded(samples, TELEPHONE_RATE, {"format": "AU", "subtype": "ULAW"})


def opus(samples: np.ndarray) -> np.ndarray:
    """(S,) samples, 16 kHz, through Opus at the lowest rate that libsndfile gives, 6 kbit/s."""
    return _coded(samples, SAMPLING_RATE, {"format": "OGG", "subtype": "OPUS", "compression_level": 1.0})


def clip(samples: np.ndarray, share: float) -> np.ndarray:
    """(S,) samples whose largest `share` are cut off flat, as an amplifier does that is turned up too far; float32."""
    limit = float(np.quantile(np.abs(samples), 1 - share)) if len(samples) else 0.0
    return np.clip(samples, -limit, limit).astype(np.float32)


def studio_form(samples: np.ndarray) -> np.ndarray:
    """(S,) samples, 16 kHz, out of a file of 44.1 kHz, two channels and 24 bits."""
    stereo = np.repeat(_to_rate(samples, 44100)[:, None], 2, axis=1)
    # What is beyond 1 would be clipped, and that is another change.
    scale = max(float(np.abs(stereo).max(initial=0.0)), 1.0)
    found, rate = _through_file(stereo / scale, 44100, {"format": "WAV", "subtype": "PCM_24"})
    return _back(found.mean(axis=1) * np.float32(scale), rate, len(samples))


def _coded(samples: np.ndarray, rate: int, settings: dict[str, object]) -> np.ndarray:
    """Samples through a lossy file, at the level at which speech is sent, and back at their own."""
    level = speech_level(samples)
    if not np.isfinite(level):
        return samples
    found, rate = _through_file(_to_rate(normalise_level(samples), rate)[:, None], rate, settings)
    gain = np.float32(10 ** ((level - LEVEL_DB) / 20))
    return _back(found.mean(axis=1) * gain, rate, len(samples))


def _through_file(samples: np.ndarray, rate: int, settings: dict[str, object]) -> tuple[np.ndarray, int]:
    """(S, channels) written to a file and read again: (S', channels) float32, and the rate."""
    with io.BytesIO() as file:
        soundfile.write(file, samples, rate, closefd=False, **settings)
        file.seek(0)
        return soundfile.read(file, dtype="float32", always_2d=True)


def _to_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    if rate == SAMPLING_RATE:
        return samples
    return import_soxr().resample(samples.astype(np.float32), SAMPLING_RATE, rate, quality="HQ")


def _back(samples: np.ndarray, rate: int, num_samples: int) -> np.ndarray:
    """At 16 kHz, and as long as before: resamplers and codecs add or take some samples."""
    found = resample(samples.astype(np.float32), rate)[:num_samples]
    return np.pad(found, (0, num_samples - len(found)))

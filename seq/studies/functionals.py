"""One vector per utterance for the classical baseline: functionals by openSMILE, or of our fbank and pitch.

openSMILE is free for research only, so it is an optional package (`opensmile`), never a dependency.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from lhotse import MonoCut
from scipy import fft, stats

from seq.audio.level import normalise_level
from seq.audio.pitch import track_pitch
from seq.audio.reading import SAMPLING_RATE, load_cut_audio
from seq.data.features import compute_fbank
from seq.errors import InputError
from seq.studies.kept_arrays import Arrays, kept_arrays
from seq.utils.pool import pool_map
from seq.utils.progress import progress_bar

OPENSMILE_SETS: Final = {"compare": "ComParE_2016", "egemaps": "eGeMAPSv02"}
FEATURE_SETS: Final = (*OPENSMILE_SETS, "own")
VERSION: Final = 3
NUM_CEPSTRA: Final = 20
PERCENTILES: Final = (5, 25, 50, 75, 95)


def choose_features(name: str) -> str:
    """`auto` is ComParE where openSMILE is installed and our own functionals elsewhere.

    Raises:
        InputError: the name is unknown, or it needs openSMILE, which is not installed.
    """
    installed = importlib.util.find_spec("opensmile") is not None
    if name == "auto":
        return "compare" if installed else "own"
    if name not in FEATURE_SETS:
        raise InputError(f"--features {name}: choose from auto, {', '.join(FEATURE_SETS)}")
    if name in OPENSMILE_SETS and not installed:
        raise InputError(
            f"--features {name} needs openSMILE: pip install opensmile (free for research only), or --features own"
        )
    return name


def statistics(track: np.ndarray) -> np.ndarray:
    """Functionals (10, C) flattened of a track (T, C): moments, percentiles and the slope over time."""
    if len(track) < 2:
        track = np.repeat(track if len(track) else np.zeros((1, track.shape[1])), 2, axis=0)
    time = np.linspace(-1.0, 1.0, len(track))[:, None]
    slope = (track * time).sum(0) / np.square(time).sum()
    spread = track.std(0)
    # A constant track has no shape.
    shaped = np.where(spread > 1e-8, track, np.random.default_rng(0).normal(size=track.shape))
    moments = [track.mean(0), spread, stats.skew(shaped, axis=0), stats.kurtosis(shaped, axis=0)]
    return np.concatenate([*moments, *np.percentile(track, PERCENTILES, axis=0), slope])


def own_functionals(samples: np.ndarray, fbank: np.ndarray) -> np.ndarray:
    """Our functionals (F,) of samples (S,) and their log-mel fbank (T, 80): cepstra, level, pitch, and their deltas."""
    cepstra = fft.dct(fbank, type=2, norm="ortho", axis=1)[:, :NUM_CEPSTRA]
    track = track_pitch(samples)
    voiced = track.voiced
    log_pitch = np.log2(track.pitch_hz[voiced])[:, None]
    frames = np.concatenate([cepstra, fbank.max(1, keepdims=True)], axis=1)
    parts = [statistics(frames), statistics(np.diff(frames, axis=0)), statistics(log_pitch)]
    parts += [statistics(np.diff(log_pitch, axis=0)), statistics(track.height[:, None])]
    changes = np.count_nonzero(np.diff(voiced.astype(int))) / max(len(voiced), 1)
    seconds = len(samples) / SAMPLING_RATE
    return np.nan_to_num(np.concatenate([*parts, [voiced.mean(), changes, seconds]]))


@lru_cache(maxsize=2)
def _smile(name: str) -> Any:
    import opensmile

    return opensmile.Smile(
        feature_set=getattr(opensmile.FeatureSet, OPENSMILE_SETS[name]),
        feature_level=opensmile.FeatureLevel.Functionals,
    )


def _vector(cut: Any, name: str) -> np.ndarray:
    samples = normalise_level(load_cut_audio(cut))
    if name == "own":
        return own_functionals(samples, compute_fbank(samples))
    values = _smile(name).process_signal(samples, SAMPLING_RATE).to_numpy()[0]
    return np.nan_to_num(values)


def corpus_functionals(cuts: Path, name: str, cache: Path, num_jobs: int = 1) -> dict[str, np.ndarray]:
    """The vectors of all utterances of a manifest, by id; kept in `cache` (.npz) until the manifest changes.

    Raises:
        InputError: the manifest is missing, or audio cannot be read.
    """

    def compute(items: list[MonoCut]) -> Arrays:
        results = pool_map(partial(_vector, name=name), items, num_jobs, chunk_size=16)
        return {"vectors": np.stack(list(progress_bar(results, total=len(items), desc="functionals", unit="utt")))}

    found = kept_arrays(cuts, cache, f"{name} {VERSION}", compute)
    return dict(zip(found["ids"].tolist(), found["vectors"], strict=True))

"""Training augmentation: on fbank (tempo, vocal tract, gain, SpecAugment) and on waveforms (speed, rooms, noise).

Every draw is a function of (seed, epoch, cut id): the same whatever the number of workers, folds side by side,
or restarts.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seq.conf import AugmentConf
from seq.data.degrade import degrades

# 1 dB in natural-log energy, the unit of fbank.
LOG_ENERGY_PER_DB = math.log(10.0) / 10.0
# Kaldi's floor of a filter's log energy (log of float32's epsilon).
LOG_ENERGY_FLOOR = math.log(torch.finfo(torch.float32).eps)


def cut_random(seed: int, epoch: int, cut_id: str) -> random.Random:
    """The random stream of one cut in one epoch."""
    return random.Random(f"{seed}/{epoch}/{cut_id}")


def needs_waveform(conf: AugmentConf) -> bool:
    """Whether any waveform augmentation is on, so that fbank must be computed on the fly."""
    return conf.speed_prob > 0 or degrades(conf)


def change_speed(samples: np.ndarray, rate: int, factor: float) -> np.ndarray:
    """(T,) samples as if they had been recorded at another rate: tempo, pitch and formants move together."""
    import soxr

    return samples if factor == 1.0 else soxr.resample(samples, rate * factor, rate).astype(np.float32)


@dataclass(frozen=True)
class Pace:
    """How much faster than it was said an utterance is heard: by its waveform, and by its fbank."""

    speed: float
    tempo: float

    def seconds(self, duration: float) -> float:
        """How long an utterance of this many seconds is then."""
        return duration / (self.speed * self.tempo)


def draw_pace(conf: AugmentConf, seed: int, epoch: int, cut_id: str) -> Pace:
    """The pace of one cut in one epoch; by itself, since batches are filled by it before anything is loaded."""
    rng = cut_random(seed, epoch, f"pace {cut_id}")
    speed = 1.0 + conf.speed * rng.uniform(-1.0, 1.0) if rng.random() < conf.speed_prob else 1.0
    return Pace(speed, 1.0 + conf.tempo * rng.uniform(-1.0, 1.0))


def warp(feature: Tensor, tempo: float, frequency: float) -> Tensor:
    """Resample the time axis of (T, F) to T / tempo frames and stretch its filter axis by `frequency`.

    Filters are equally spaced in mel, so this is a warp of the mel axis: close to what another vocal tract does.
    """
    num_frames, num_filters = feature.shape
    frames = torch.linspace(-1.0, 1.0, max(1, round(num_frames / tempo)))
    filters = torch.arange(num_filters) * (2.0 * frequency / max(num_filters - 1, 1)) - 1.0
    grid = torch.stack(torch.broadcast_tensors(filters[None, :], frames[:, None]), dim=-1)
    warped = torch.nn.functional.grid_sample(
        feature[None, None], grid[None], mode="bilinear", padding_mode="border", align_corners=True
    )
    return warped[0, 0]


def _mask(feature: Tensor, conf: AugmentConf, fill: Tensor, rng: random.Random) -> None:
    num_frames, num_filters = feature.shape
    for _ in range(conf.time_masks):
        # Never more than a fifth at once: short utterances must keep their words.
        width = rng.randint(0, min(conf.time_mask_frames, num_frames // 5))
        start = rng.randint(0, num_frames - width)
        feature[start : start + width] = fill
    for _ in range(conf.frequency_masks):
        width = rng.randint(0, min(conf.frequency_mask_bins, num_filters))
        start = rng.randint(0, num_filters - width)
        feature[:, start : start + width] = fill[start : start + width]


def augment_fbank(feature: Tensor, conf: AugmentConf, fill: Tensor, rng: random.Random, tempo: float = 1.0) -> Tensor:
    """Tempo, frequency warp, gain and SpecAugment (Park et al. 2019) on one utterance.

    Args:
        feature: (T, F) log-mel energies.
        fill: (F,) what masked places hold, the training mean.
        rng: from `cut_random`.
        tempo: from `draw_pace`.

    Returns:
        (T', F); the argument is unchanged.
    """
    frequency = 1.0 + conf.frequency_warp * rng.uniform(-1.0, 1.0)
    feature = warp(feature, tempo, frequency)
    gain = conf.gain_db * rng.uniform(-1.0, 1.0) * LOG_ENERGY_PER_DB
    # On log energies a gain is a constant: exact, and free; of a waveform, the levelling would undo it. The floor stays
    # where Kaldi puts it.
    feature = (feature + gain).clamp_(min=LOG_ENERGY_FLOOR)
    _mask(feature, conf, fill, rng)
    return feature

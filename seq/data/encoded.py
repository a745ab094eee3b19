"""What a network reads of one utterance, and where stage 2 put it when a pretrained encoder is what hears.

Stage 2 keeps, at every speed that training uses and of every copy, `frames` (T, C) float16, the last frozen hidden
state, and `statistics` (L, 2 C) float32: mean and standard deviation over time of every frozen hidden state.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from seq.conf import AugmentConf, Conf
from seq.data.degrade import VERSION
from seq.errors import InputError

FRAMES: Final = "frames"
STATISTICS: Final = "statistics"
# Names a way in which an utterance was heard: a speed, or a copy.
Variant = float | str
# What changes filter banks, and has nothing to change where an encoder's frames are read; 0 switches it off.
_OF_FBANK: Final = ("tempo", "frequency_warp", "gain_db", "time_masks", "frequency_masks")
_OF_COPIES: Final = ("noise_prob", "room_prob", "band_prob")
# What those copies are made with.
_COPY_SETTINGS: Final = (*_OF_COPIES, "noise_snr_low", "noise_snr_high", "noise_dir", "speeds")


@dataclass
class Heard:
    """One utterance as a network reads it."""

    # (T, F) fbank, or the frames of an encoder.
    feature: Tensor
    # (L, 2 C) statistics of an encoder's hidden states; None where fbank is read.
    statistics: Tensor | None = None


def array_name(what: str, variant: Variant) -> str:
    """The field of a cut that holds an array at a speed, or of a copy: `frames_0.9`."""
    return f"{what}_{variant if isinstance(variant, str) else f'{variant:g}'}"


def copy_names(conf: AugmentConf) -> list[str]:
    """What the copies of an utterance are called; those that are made in another way have other names."""
    made = {"version": VERSION, **{key: getattr(conf, key) for key in _COPY_SETTINGS}}
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return [f"copy{number}.{digest[:8]}" for number in range(1, conf.copies + 1)]


def draw_variant(conf: AugmentConf, rng: random.Random) -> Variant:
    """How an utterance is heard this time: as a copy with `copy_prob`, or at one of the speeds."""
    if conf.copies and rng.random() < conf.copy_prob:
        return rng.choice(copy_names(conf))
    return rng.choice(conf.speeds)


def cached_speeds(conf: Conf) -> list[float]:
    """The speeds at which stage 2 lets the encoder hear every utterance; 1, at which all else is heard, is one.

    Raises:
        InputError: the conf asks for augmentation that a cached encoder cannot have.
    """
    augment = conf.augment
    if on := next((key for key in _OF_FBANK if getattr(augment, key)), None):
        raise InputError(f"augment.{on} changes filter banks, which {conf.model_name} does not read: set it to 0")
    if augment.on_the_fly:
        return [1.0]
    if augment.speed_prob:
        raise InputError(
            "augment.speed_prob changes waveforms, but what the encoder hears is kept by stage 2: list augment.speeds, "
            "or set augment.on_the_fly=true, which lets it hear everything again in every epoch"
        )
    if not augment.copies and (on := next((key for key in _OF_COPIES if getattr(augment, key)), None)):
        raise InputError(
            f"augment.{on} changes waveforms, but what the encoder hears is kept by stage 2: set augment.copies to how "
            "many copies it hears of every utterance, or augment.on_the_fly=true, which lets it hear all in every epoch"
        )
    return sorted({1.0, *augment.speeds})


def cached_variants(conf: Conf) -> list[Variant]:
    """All ways in which stage 2 lets the encoder hear every utterance. Raises InputError as `cached_speeds`."""
    return [*cached_speeds(conf), *([] if conf.augment.on_the_fly else copy_names(conf.augment))]


def load_heard(cut: Any, speed: Variant = 1.0) -> Heard:
    """What the encoder heard of a cut, at a speed or as a copy. Raises InputError where stage 2 made nothing of it."""
    names = [array_name(what, speed) for what in (FRAMES, STATISTICS)]
    if any(name not in (cut.custom or {}) for name in names):
        raise InputError(f"cut {cut.id} has no {names[0]}: run stage 2 (features) with the same model and augmentation")
    try:
        frames, statistics = (torch.from_numpy(cut.load_custom(name)).float() for name in names)
    except (OSError, ValueError) as error:
        raise InputError(f"{names[0]} of cut {cut.id} cannot be read: run stage 2 (features) again") from error
    return Heard(frames, statistics)


def load_fbank(cut: Any) -> Heard:
    """The filter banks of a cut. Raises InputError where what stage 2 wrote cannot be read."""
    try:
        return Heard(torch.from_numpy(cut.load_features()))
    except (OSError, ValueError) as error:
        raise InputError(f"filter banks of cut {cut.id} cannot be read: run stage 2 (features) again") from error


def summarise(layers: list[Tensor]) -> Tensor:
    """Mean and standard deviation over time of L hidden states (..., T, C): (..., L, 2 C) float32."""
    found = [torch.cat([x.mean(-2), x.std(-2, unbiased=False)], dim=-1) for x in layers]
    return torch.stack(found, dim=-2).float()

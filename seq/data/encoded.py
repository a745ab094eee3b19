"""What a network reads of one utterance, and where stage 2 put it when a pretrained encoder is what hears.

Stage 2 keeps, at every speed that training uses, `frames` (T, C) float16, the last frozen hidden state, and
`statistics` (L, 2 C) float32: mean and standard deviation over time of every frozen hidden state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from seq.conf import Conf
from seq.errors import InputError

FRAMES: Final = "frames"
STATISTICS: Final = "statistics"
# What changes filter banks, and has nothing to change where an encoder's frames are read; 0 switches it off.
_OF_FBANK: Final = ("tempo", "frequency_warp", "gain_db", "time_masks", "frequency_masks")
_OF_WAVEFORMS: Final = ("speed_prob", "noise_prob")


@dataclass
class Heard:
    """One utterance as a network reads it."""

    # (T, F) fbank, or the frames of an encoder.
    feature: Tensor
    # (L, 2 C) statistics of an encoder's hidden states; None where fbank is read.
    statistics: Tensor | None = None


def array_name(what: str, speed: float) -> str:
    """The field of a cut that holds an array at a speed: `frames_0.9`."""
    return f"{what}_{speed:g}"


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
    if on := next((key for key in _OF_WAVEFORMS if getattr(augment, key)), None):
        raise InputError(
            f"augment.{on} changes waveforms, but what the encoder hears is kept by stage 2: list augment.speeds, or "
            "set augment.on_the_fly=true, which lets it hear everything again in every epoch"
        )
    return sorted({1.0, *augment.speeds})


def load_heard(cut: Any, speed: float = 1.0) -> Heard:
    """What the encoder heard of a cut. Raises InputError where stage 2 did not let it hear that."""
    names = [array_name(what, speed) for what in (FRAMES, STATISTICS)]
    if any(name not in (cut.custom or {}) for name in names):
        raise InputError(
            f"cut {cut.id} has no {names[0]}: run stage 2 (features) with the same model and augment.speeds"
        )
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

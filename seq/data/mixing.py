"""MixSpeech (Meng et al. 2021, arXiv 2102.12664): filter banks of two utterances as one, which has both targets.

The source mixes a part of every batch; here a batch is mixed whole or not at all, so that its loss is the sum of two.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from seq.conf import AugmentConf
from seq.data.targets import Target


@dataclass(frozen=True)
class Mix:
    """Whom each utterance of a batch is mixed with, and its own share, which is the same for all."""

    partners: list[int]
    share: float

    def of_partners(self, target: Target) -> Target:
        """The targets of the partners, in the utterances' order."""
        return target[self.partners] if isinstance(target, Tensor) else [target[i] for i in self.partners]


def draw_mix(conf: AugmentConf, size: int, rng: random.Random) -> Mix | None:
    """How to mix a batch of `size` utterances; None leaves it as it is."""
    if rng.random() >= conf.mix_prob:
        return None
    return Mix(rng.sample(range(size), size), rng.betavariate(conf.mix_alpha, conf.mix_alpha))


def mix_features(feature: Tensor, lengths: Tensor, fill: Tensor, mix: Mix) -> tuple[Tensor, Tensor]:
    """Mixed filter banks and their lengths, those of the longer one; the shorter one goes on with `fill`.

    Args:
        feature: (N, T, F), zero beyond each utterance's end.
        lengths: (N,) frames.
        fill: (F,) the training mean, which is zero once it is normalised.
    """
    frames = torch.arange(feature.size(1))[None, :, None]
    filled = torch.where(frames < lengths[:, None, None], feature, fill)
    mixed = mix.share * filled + (1.0 - mix.share) * filled[mix.partners]
    longer = torch.maximum(lengths, lengths[mix.partners])
    return torch.where(frames < longer[:, None, None], mixed, 0.0), longer

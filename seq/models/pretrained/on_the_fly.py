"""Training that lets the encoder hear everything again in every epoch: waveform augmentation at its price."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from seq.conf import Conf
from seq.data.encoded import Heard


def encoder_on_the_fly(conf: Conf, device: torch.device) -> Callable[[np.ndarray], Heard] | None:
    """What the frozen part of a conf's encoder says of samples; None where training reads what stage 2 wrote."""
    if conf.model.front_end != "pretrained" or not conf.augment.on_the_fly:
        return None
    from seq.models.pretrained.cache import frozen_encoder, hear

    return partial(hear, frozen_encoder(conf.model.pretrained, device), device=device)

"""AdamW and its learning rate."""

from __future__ import annotations

import math

import torch

from seq.conf import Conf


def learning_rate(conf: Conf, progress: float) -> float:
    """Linear warm-up, then half a cosine down to 0; `progress` counts epochs, with fractions."""
    train = conf.train
    if progress < train.warmup_epochs:
        return train.learning_rate * progress / train.warmup_epochs
    left = (progress - train.warmup_epochs) / max(train.num_epochs - train.warmup_epochs, 1e-9)
    return train.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(left, 1.0)))


def make_optimizer(model: torch.nn.Module, conf: Conf) -> torch.optim.AdamW:
    """AdamW; biases and norms are not decayed."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": conf.train.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=conf.train.learning_rate, betas=(0.9, 0.98))

"""AdamW and its learning rate."""

from __future__ import annotations

import math

import torch

from seq.conf import Conf
from seq.errors import InputError

# In the names of the weights of a pretrained encoder's trained layers.
UPPER_LAYERS = "front_end.upper."


def learning_rate(conf: Conf, progress: float) -> float:
    """Linear warm-up, then half a cosine down to 0; `progress` counts epochs, with fractions."""
    train = conf.train
    if progress < train.warmup_epochs:
        return train.learning_rate * progress / train.warmup_epochs
    left = (progress - train.warmup_epochs) / max(train.num_epochs - train.warmup_epochs, 1e-9)
    return train.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(left, 1.0)))


def make_optimizer(model: torch.nn.Module, conf: Conf) -> torch.optim.AdamW:
    """AdamW; biases and norms are not decayed. The layers of a pretrained encoder have a learning rate of their own.

    Raises:
        InputError: that is a multiple of a learning rate of 0.
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    own = [p for name, p in trained if UPPER_LAYERS not in name]
    upper = [p for name, p in trained if UPPER_LAYERS in name]
    if upper and not conf.train.learning_rate:
        raise InputError(
            "train.learning_rate is 0, of which model.pretrained.learning_rate is taken as a multiple: make it small"
        )
    ratio = conf.model.pretrained.learning_rate / conf.train.learning_rate if upper else 1.0
    groups = [
        {"params": parameters, "weight_decay": decay, "lr_ratio": lr_ratio}
        for part, lr_ratio in ((own, 1.0), (upper, ratio))
        for parameters, decay in (
            ([p for p in part if p.ndim > 1], conf.train.weight_decay),
            ([p for p in part if p.ndim <= 1], 0.0),
        )
        if parameters
    ]
    return torch.optim.AdamW(groups, lr=conf.train.learning_rate, betas=(0.9, 0.98), fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, conf: Conf, progress: float) -> None:
    """The learning rate of every group after `progress` epochs."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(conf, progress) * group["lr_ratio"]

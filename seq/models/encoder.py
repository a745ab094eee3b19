"""Encoders: from frames to frames. Adding one means adding `seq/models/<name>.py` that defines `Encoder`."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from torch import Tensor, nn

from seq.conf import ModelConf
from seq.errors import InputError


class FrameEncoder(nn.Module):
    """What every encoder has."""

    # Width of the frames that it gives: that of the front end's, unless it pools by itself.
    dim: int
    # How many layers it gives.
    num_layers: int
    # How many numbers its own `pool` gives; 0 leaves pooling to the network, a learnt mixture of all layers.
    pooled_dim: int = 0

    def __init__(self, conf: ModelConf, dim: int) -> None:
        """Args:
        conf: sizes.
        dim: width of the front end's frames.
        """
        super().__init__()
        self.dim, self.num_layers = dim, conf.num_layers

    def forward(self, x: Tensor, lengths: Tensor) -> list[Tensor]:
        """(N, T, C) frames, zero on padding, and (N,) -> the output of every layer, (N, T, dim), zero on padding."""
        raise NotImplementedError

    def pool(self, layers: list[Tensor], lengths: Tensor) -> Tensor:
        """The front end's layers and then its own, (N, T, ...), and (N,) frames -> (N, pooled_dim), if it is not 0."""
        raise NotImplementedError


def encoder_names() -> list[str]:
    """The names of all encoders, found without importing them."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return [path.stem for path in modules if re.search(r"^class Encoder\(", path.read_text(encoding="utf-8"), re.M)]


def make_encoder(conf: ModelConf, dim: int) -> FrameEncoder:
    """The encoder that `conf.encoder` names. Raises InputError where there is none of that name."""
    if conf.encoder not in encoder_names():
        raise InputError(f"model.encoder: there is no {conf.encoder!r}; choose from {', '.join(encoder_names())}")
    return importlib.import_module(f"seq.models.{conf.encoder}").Encoder(conf, dim)

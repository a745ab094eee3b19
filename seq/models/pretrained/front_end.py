"""The front end of a pretrained encoder: what its frozen part said, and the layers above it, which are trained."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from seq.conf import ModelConf
from seq.data.batches import feature_statistics
from seq.data.encoded import Heard
from seq.errors import InputError
from seq.models.dropout import Dropout
from seq.models.front_end import Frames, FrontEnd
from seq.models.masking import frame_mask
from seq.models.pretrained.adapt import adapted_layers
from seq.models.pretrained.spec import FRAME_SECONDS, EncoderSpec


class PretrainedFrontEnd(FrontEnd):
    """Frames of the encoder's last hidden state; mean and standard deviation over time of all that the conf lists.

    The statistics, normalised by the training set's, say how an utterance sounds as a whole: attention over the
    frames of all layers learns more and generalises less from the hours that emotion corpora have (RESULTS.md).
    """

    reads = "frames"
    num_layers = 1
    mean: Tensor
    std: Tensor

    def __init__(self, conf: ModelConf, spec: EncoderSpec) -> None:
        """Raises InputError where the encoder is needed and not there, lacks layers that conf names, or conf errs."""
        super().__init__()
        self.chosen = chosen_layers(conf, spec)
        self.upper = adapted_layers(conf.pretrained, spec) if spec.num_upper else None
        self.num_statistics = len(self.chosen) * 2 * spec.dim
        self.register_buffer("mean", torch.zeros(self.num_statistics))
        self.register_buffer("std", torch.ones(self.num_statistics))
        # Encoder frames are 20 ms long; for 40 ms, two neighbours are one.
        self.joined = conf.subsampling // 2
        self.frame_seconds = self.joined * FRAME_SECONDS
        self.norm = nn.LayerNorm(spec.dim)
        self.project = nn.Sequential(Dropout(conf.dropout), nn.Linear(self.joined * spec.dim, conf.channels))
        self.dim = conf.channels

    def fit(self, heard: Iterable[Heard]) -> None:
        self.eval()
        with torch.no_grad():
            mean, std = feature_statistics(self._fit_row(item) for item in heard)
        self.train()
        self.mean.copy_(mean)
        self.std.copy_(std)

    def _fit_row(self, heard: Heard) -> Tensor:
        assert heard.statistics is not None
        lengths = torch.tensor([len(heard.feature)])
        return self._listen(heard.feature.unsqueeze(0), lengths, heard.statistics.unsqueeze(0))[1]

    def _listen(self, x: Tensor, lengths: Tensor, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """The last hidden state (N, T, C), and the chosen statistics (N, num_statistics) as they are."""
        if self.upper is not None:
            layers = self.upper(x, lengths)
            statistics = torch.cat([statistics, *(masked_statistics(layer, lengths) for layer in layers)], dim=1)
            x = layers[-1]
        return x, statistics[:, self.chosen].flatten(1)

    def forward(self, x: Tensor, lengths: Tensor, statistics: Tensor | None = None) -> Frames:
        assert statistics is not None
        x, statistics = self._listen(x, lengths, statistics)
        x = self.norm(x) * frame_mask(lengths, x.size(1))
        if self.joined == 2:
            n, t, c = x.shape
            # A frame of zeros for whoever lacks a neighbour.
            x = torch.cat([x, x.new_zeros(n, 1, c)], dim=1)[:, : (t + 1) // 2 * 2].reshape(n, -1, 2 * c)
            lengths = (lengths + 1) // 2
        frames = self.project(x) * frame_mask(lengths, x.size(1))
        return Frames([frames], lengths, (statistics - self.mean) / self.std)


def chosen_layers(conf: ModelConf, spec: EncoderSpec) -> list[int]:
    """The numbers of the hidden states whose statistics are read. Raises InputError for one that there is not."""
    chosen = conf.statistics_layers or list(range(spec.num_layers))
    if wrong := [number for number in chosen if not 0 <= number < spec.num_layers]:
        raise InputError(
            f"model.statistics_layers has {wrong[0]}: {spec.name} has the hidden states 0 to {spec.num_layers - 1}"
        )
    return chosen


def masked_statistics(x: Tensor, lengths: Tensor) -> Tensor:
    """(N, T, C) frames and (N,) lengths -> (N, 1, 2 C): mean and standard deviation over the frames that there are."""
    mask = frame_mask(lengths, x.size(1))
    count = lengths[:, None].clamp(min=1)
    x = x.float()
    mean = (x * mask).sum(1) / count
    variance = ((x - mean[:, None]).square() * mask).sum(1) / count
    # The floor keeps the gradient of the square root finite on constant input.
    return torch.cat([mean, variance.clamp(min=1e-10).sqrt()], dim=1).unsqueeze(1)

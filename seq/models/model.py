"""The whole network: normalise, subsample, encode; phones from the last layer, the rest from all layers, pooled."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seq.conf import ModelConf
from seq.labels import NUM_THRESHOLDS
from seq.models.conformer import ConformerEncoder
from seq.models.layer_mix import LayerMix
from seq.models.pooling import AttentiveStatisticsPooling
from seq.models.subsampling import Conv2dSubsampling
from seq.models.tdnn import TdnnEncoder

GENDERS = ("F", "M")


@dataclass
class ModelSpec:
    """All that is needed to build the network again: sizes, tasks, and what each output stands for."""

    model: ModelConf
    tasks: list[str]
    num_filters: int
    emotions: list[str]
    # Intensity levels that the training corpus has, ascending; the heads' thresholds are the same for every corpus.
    anchors: list[float]
    # CTC symbols; number 0 is the blank.
    tokens: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for a checkpoint."""
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> ModelSpec:
        """Inverse of `to_dict`."""
        return ModelSpec(**{**data, "model": ModelConf(**data["model"])})


@dataclass
class ModelOutput:
    """Outputs of one batch; a head that was not chosen is None."""

    # (N, number of emotions) logits.
    emotion: Tensor | None
    # (N, 3) logits of the cumulative thresholds.
    intensity: Tensor | None
    # (N, 2) logits, in the order of GENDERS.
    gender: Tensor | None
    # (N, T', V) log probabilities of the CTC symbols.
    phone: Tensor | None
    # (N,) encoder frames.
    lengths: Tensor
    # (N, embedding_dim) the utterance vector that the heads read.
    embedding: Tensor


class SpeechEqModel(nn.Module):
    """One encoder, four tasks (arXiv 2206.13101; sizes and layers are ours, the paper gives none)."""

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        conf = spec.model
        # Mean and deviation of the training set's fbank: a property of the model, not of whoever is being heard.
        self.register_buffer("feature_mean", torch.zeros(spec.num_filters))
        self.register_buffer("feature_std", torch.ones(spec.num_filters))
        self.subsampling = Conv2dSubsampling(spec.num_filters, conf.channels, conf.subsampling, conf.stem_channels)
        self.encoder: TdnnEncoder | ConformerEncoder
        if conf.encoder == "tdnn":
            self.encoder = TdnnEncoder(conf.channels, conf.feedforward, conf.num_layers, conf.kernel_size, conf.dropout)
        else:
            self.encoder = ConformerEncoder(
                conf.channels, conf.feedforward, conf.num_heads, conf.num_layers, conf.kernel_size, conf.dropout
            )
        self.layer_mix = LayerMix(conf.num_layers + 1, conf.channels)
        self.pooling = AttentiveStatisticsPooling(conf.channels)
        self.embedding = nn.Sequential(
            nn.LayerNorm(2 * conf.channels),
            nn.Dropout(conf.head_dropout),
            nn.Linear(2 * conf.channels, conf.embedding_dim),
            nn.SiLU(),
            nn.Dropout(conf.head_dropout),
        )
        outputs = {"emotion": len(spec.emotions), "intensity": NUM_THRESHOLDS, "gender": len(GENDERS)}
        self.heads = nn.ModuleDict(
            {task: nn.Linear(conf.embedding_dim, size) for task, size in outputs.items() if task in spec.tasks}
        )
        self.phone_head = nn.Linear(conf.channels, len(spec.tokens)) if "phone" in spec.tasks else None

    def set_feature_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store mean and standard deviation (F,) of the training set's fbank."""
        self.feature_mean.copy_(mean)
        self.feature_std.copy_(std)

    def forward(self, feature: Tensor, feature_lens: Tensor) -> ModelOutput:
        """(N, T, F) fbank, padded, and (N,) frames -> the outputs of every chosen head."""
        x = (feature - self.feature_mean) / self.feature_std
        x, lengths = self.subsampling(x, feature_lens)
        layers = self.encoder(x, lengths)
        embedding = self.embedding(self.pooling(self.layer_mix(layers), lengths))
        out = {task: head(embedding).float() for task, head in self.heads.items()}
        phone = None
        if self.phone_head is not None:
            phone = self.phone_head(layers[-1]).float().log_softmax(dim=-1)
        return ModelOutput(
            out.get("emotion"), out.get("intensity"), out.get("gender"), phone, lengths, embedding.float()
        )


def num_parameters(model: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

"""The whole network: front end, encoder, pooling over all layers, heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from seq.audio.level import LEVEL_DB
from seq.conf import ModelConf
from seq.errors import InputError
from seq.models.adapters import CorpusAdapters
from seq.models.dropout import Dropout
from seq.models.encoder import make_encoder
from seq.models.front_end import FbankFrontEnd, FrontEnd
from seq.models.heads import apply_heads, make_heads
from seq.models.layer_mix import LayerMix
from seq.models.pooling import AttentiveStatisticsPooling
from seq.models.pretrained.spec import EncoderSpec
from seq.tasks.base import Outputs
from seq.utils.model_conf import check_model
from seq.utils.typed_values import PositiveInt, read_typed


@dataclass(frozen=True)
class ModelSpec:
    """All that is needed to build the network again: its sizes, and what the numbers of each head stand for."""

    model: ModelConf
    num_filters: PositiveInt
    # By task.
    outputs: dict[str, Outputs]
    # The pretrained encoder below; None for a network that reads fbank.
    encoder: EncoderSpec | None = None
    # The speech level of what it has heard (dB full scale); None: as it was recorded.
    level_db: float | None = LEVEL_DB
    # Those that have adapters.
    corpora: list[str] = field(default_factory=list)

    @property
    def has_sequence(self) -> bool:
        """Whether a task is learnt by CTC."""
        return any(found.kind == "sequence" for found in self.outputs.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for a checkpoint."""
        outputs = {name: found.to_dict() for name, found in self.outputs.items()}
        encoder = None if self.encoder is None else self.encoder.to_dict()
        return {
            "model": asdict(self.model),
            "num_filters": self.num_filters,
            "outputs": outputs,
            "encoder": encoder,
            "level_db": self.level_db,
            "corpora": self.corpora,
        }

    @staticmethod
    def from_dict(data: Any, what: str = "the network's description") -> ModelSpec:
        """Inverse of `to_dict`. Raises InputError, naming `what`, where `data` is of another version or damaged."""
        # What is older than the levelling says nothing of it.
        spec = read_typed({"level_db": None, **data} if isinstance(data, dict) else data, ModelSpec, what)
        if spec.level_db != LEVEL_DB:
            raise InputError(f"{what}: it has heard speech at other levels than the {LEVEL_DB:g} dB of now")
        try:
            check_model(spec.model)
        except InputError as error:
            raise InputError(f"{what}: {error}") from None
        return spec


@dataclass
class ModelOutput:
    """Outputs of one batch."""

    # By task: (N, K) numbers of the utterance (in training of several members (M, N, K), `seq.models.heads`), or
    # (N, T', V) log probabilities of the frames.
    numbers: dict[str, Tensor]
    # (N,) encoder frames.
    lengths: Tensor
    # (N, embedding_dim) the utterance vector that the heads read.
    embedding: Tensor
    # (N, S) of a network in training that is taught: what it thinks the teachers' statistics are.
    statistics: Tensor | None = None


class SpeechEqModel(nn.Module):
    """One encoder, several tasks (arXiv 2206.13101; sizes and layers are ours, the paper gives none).

    Heads of frames read the encoder's last layer; those of the utterance a learnt mixture of all layers, front end
    included, pooled (or what the encoder pools by itself), and what the front end says of the utterance as a whole.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        conf = spec.model
        self.front_end = make_front_end(spec)
        self.encoder = make_encoder(conf, self.front_end.dim)
        # Where the encoder does not pool by itself.
        self.layer_mix, self.pooling = None, None
        if not self.encoder.pooled_dim:
            self.layer_mix = LayerMix(self.front_end.num_layers + self.encoder.num_layers, self.encoder.dim)
            self.pooling = AttentiveStatisticsPooling(self.encoder.dim)
        pooled_dim = self.encoder.pooled_dim or 2 * self.encoder.dim
        self.embedding = nn.Sequential(
            nn.LayerNorm(pooled_dim),
            Dropout(conf.head_dropout),
            nn.Linear(pooled_dim, conf.embedding_dim),
            nn.SiLU(),
            Dropout(conf.head_dropout),
        )
        # Of a front end that has statistics: they join what was pooled, and are most of what the heads hear.
        self.statistics = None
        if self.front_end.num_statistics:
            self.statistics = nn.Sequential(
                Dropout(conf.statistics_dropout),
                nn.Linear(self.front_end.num_statistics, conf.embedding_dim),
                # Every member's part is normalised by itself.
                nn.GroupNorm(conf.members, conf.embedding_dim),
                nn.SiLU(),
                Dropout(conf.head_dropout),
            )
        self.adapters = None
        if spec.corpora:
            self.adapters = CorpusAdapters(len(spec.corpora), conf.embedding_dim, conf.adapter_dim)
        self.heads = make_heads(spec.outputs, conf.embedding_dim, self.encoder.dim)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(
        self, x: Tensor, lengths: Tensor, statistics: Tensor | None = None, corpora: Tensor | None = None
    ) -> ModelOutput:
        """What the front end reads (see there), such as (N, T, F) fbank and (N,) lengths -> what every head says.

        Args:
            corpora: (N,) numbers of those that have adapters, -1 for others; None: all are others.
        """
        frames = self.front_end(x, lengths, statistics)
        layers, lengths = [*frames.layers, *self.encoder(frames.layers[-1], frames.lengths)], frames.lengths
        embedding = self.embedding(self._pool(layers, lengths))
        if self.statistics is not None:
            embedding = embedding + self.statistics(frames.statistics)
        if self.adapters is not None and corpora is not None:
            embedding = self.adapters(embedding, corpora)
        numbers = apply_heads(self.heads, self.spec.outputs, embedding, layers[-1], self.spec.model.members)
        return ModelOutput(numbers, lengths, embedding.float())

    def _pool(self, layers: list[Tensor], lengths: Tensor) -> Tensor:
        if self.layer_mix is None or self.pooling is None:
            return self.encoder.pool(layers, lengths)
        return self.pooling(self.layer_mix(layers), lengths)


def make_front_end(spec: ModelSpec) -> FrontEnd:
    """The front end of a network. Raises InputError where it needs an encoder that is not at hand."""
    if spec.encoder is None:
        return FbankFrontEnd(spec.model, spec.num_filters)
    from seq.models.pretrained.front_end import PretrainedFrontEnd

    return PretrainedFrontEnd(spec.model, spec.encoder)


def num_parameters(model: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def kept_weights(model: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint holds of a network: all of its state but the parameters that training does not change."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def check_finite(weights: Mapping[str, Tensor], what: str) -> None:
    """Raises InputError, naming `what`, where a weight is infinite or undefined: whatever it says means nothing."""
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise InputError(
                f"{what} has weights that are not finite ({name}): train again, with a lower learning rate"
            )


def load_kept_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Inverse of `kept_weights`. Raises RuntimeError where `weights` are of another network."""
    kept = kept_weights(model).keys()
    if different := kept ^ weights.keys():
        raise RuntimeError(f"weights of another network: {min(different)}")
    model.load_state_dict({**model.state_dict(), **weights})

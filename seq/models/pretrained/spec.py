"""Which encoder a network stands on, as plain types: what encoder.json, checkpoints, scores and model cards say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seq.errors import InputError
from seq.models.pretrained.source import Checkpoint, encoder_name, fetch_checkpoint
from seq.utils.files import read_json
from seq.utils.model_conf import AugmentConf, ModelConf, PretrainedConf

ENCODER_JSON = "encoder.json"
# Before the number of copies, in the name of a folder.
COPIES = "-copies"
# Between two frames of every family.
FRAME_SECONDS = 0.02


@dataclass(frozen=True)
class EncoderSpec:
    """A pretrained encoder, and where it is cut."""

    name: str
    # The hub's commit, if it came from there.
    revision: str | None
    # Of its weights; several files' together (`Checkpoint.digest`).
    sha256: str
    licence: str | None
    family: str
    # Width of its hidden states.
    dim: int
    # Hidden states of the frozen part, and of the layers above it, which are trained.
    num_frozen: int
    num_upper: int = 0

    @property
    def num_layers(self) -> int:
        """All hidden states."""
        return self.num_frozen + self.num_upper

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> EncoderSpec:
        """Inverse of `to_dict`. Raises TypeError where `data` is of another version."""
        return EncoderSpec(**data)

    def checkpoint(self, conf: PretrainedConf) -> Checkpoint:
        """The encoder itself. Raises InputError where it is not at hand, or is another one than this was made with."""
        found = fetch_checkpoint(conf)
        if found.digest() != self.sha256:
            raise InputError(
                f"{found.folder} holds another encoder than {self.name} with SHA-256 {self.sha256[:12]}..., on which "
                "this network stands: name the right one with --set model.pretrained.path=DIR"
            )
        return found


def read_encoder_json(cuts: Path) -> EncoderSpec:
    """The encoder that heard the cuts of stage 2. Raises InputError where encoder.json is missing or damaged."""
    path = cuts.parent / ENCODER_JSON
    if not path.is_file():
        raise InputError(f"{path} does not exist: run stage 2 (features) with this model")
    try:
        return EncoderSpec.from_dict(read_json(path))
    except TypeError as error:
        raise InputError(f"{path} is of another version: run stage 2 (features) again") from error


def features_folder(encoder: str) -> str:
    """Where below data/ stage 2 puts what networks read: filter banks, or what the encoder of this name heard."""
    return f"encoder/{encoder}" if encoder else "fbank"


def storage_folder(encoder: str) -> str:
    """Where the arrays are that are listed in `features_folder`: those of copies and without are kept together."""
    return features_folder(encoder.partition(COPIES)[0])


def encoder_folder(model: ModelConf, augment: AugmentConf) -> str:
    """What stage 2 calls what the encoder of a model hears: the encoder's name, how many layers above are trained, and
    how many copies there are of an utterance; "" without one.
    """
    if model.front_end != "pretrained":
        return ""
    conf = model.pretrained
    name = encoder_name(conf).rsplit("/", 1)[-1] or "encoder"
    top = f"-top{conf.trained_layers}" if conf.trained_layers else ""
    return f"{name}{top}{f'{COPIES}{augment.copies}' if augment.copies else ''}"

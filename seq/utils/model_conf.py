"""A model: a network and its training, which is a file of local/conf for every recipe; its sections, and reading one.

What a key means in full stands in local/conf/scratch.yaml, which has the same values as these defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from seq.errors import InputError
from seq.utils.typed_yaml import Raw, lay_over, read_yaml

MODELS = Path(__file__).resolve().parents[2] / "local/conf"
# Keys whose values are places on the disk.
PATH_KEYS = ("model.pretrained.path", "train.teacher")
# A key of a model's file: the name of another one, of which it changes what it says.
EXTENDS = "extends"
MODEL_SECTIONS = ("features", "augment", "model", "ctc", "train")


@dataclass
class FeaturesConf:
    """Stage 0 trims (see `seq.audio.trimming.trim_silence`); stage 2 computes Kaldi-compatible log-mel filter banks."""

    extractor: str = "kaldi-fbank"
    num_filters: int = 80
    trim: bool = True


@dataclass
class AugmentConf:
    """Training augmentation: of fbank, then of waveforms, which makes training compute fbank on the fly."""

    tempo: float = 0.2
    frequency_warp: float = 0.1
    gain_db: float = 6.0
    time_masks: int = 2
    time_mask_frames: int = 20
    frequency_masks: int = 2
    frequency_mask_bins: int = 10

    speed_prob: float = 1.0
    speed: float = 0.12
    noise_prob: float = 0.0
    noise_snr_low: float = 10.0
    noise_snr_high: float = 30.0
    on_the_fly: bool = False
    # Of a cached encoder: what an utterance's speed is drawn from.
    speeds: list[float] = field(default_factory=lambda: [1.0])


@dataclass
class PretrainedConf:
    """An encoder in transformers' form, and what of it is trained; see `seq/models/pretrained/`."""

    name: str = ""
    revision: str = "main"
    path: str = ""
    trained_layers: int = 0
    lora_rank: int = 0
    lora_alpha: int = 16
    lora_modules: list[str] = field(default_factory=list)
    learning_rate: float = 1e-4


@dataclass
class ModelConf:
    """Sizes of the network; see `seq/models/`."""

    front_end: Literal["fbank", "pretrained"] = "fbank"
    pretrained: PretrainedConf = field(default_factory=PretrainedConf)
    statistics_layers: list[int] = field(default_factory=list)
    statistics_dropout: float = 0.3
    encoder: str = "conformer"
    subsampling: int = 4
    stem_channels: int = 32
    channels: int = 128
    num_layers: int = 4
    kernel_size: int = 15
    num_heads: int = 4
    feedforward: int = 384
    embedding_dim: int = 128
    members: int = 1
    dropout: float = 0.1
    head_dropout: float = 0.3


@dataclass
class CtcConf:
    """Backend of the phoneme branch: k2 where it imports, torch otherwise; or the one that is named."""

    backend: Literal["auto", "k2", "torch"] = "auto"


@dataclass
class TrainConf:
    """Optimisation. A task's loss is its mean over the utterances that have its label, times its scale."""

    num_epochs: int = 40
    batch_duration: float = 40.0
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 3.0
    gradient_clip: float = 5.0
    label_smoothing: float = 0.1
    loss_scales: dict[str, float] = field(default_factory=dict)
    class_balance: float = 1.0
    average_epochs: int = 5
    average_period: int = 1
    select_by: Literal["loss", "UA"] = "loss"
    teacher: str = ""
    teacher_weight: float = 1.0
    teacher_temperature: float = 2.0
    teacher_statistics: float = 0.0
    early_stop_epochs: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    num_threads: int = 1
    num_workers: int = 0
    # Bookkeeping (see BOOKKEEPING).
    save_every_batches: int = 0
    keep_last_k: int = 10
    keep_all_epochs: bool = False


def model_from_dict(data: Raw) -> ModelConf:
    """Inverse of `dataclasses.asdict`. Raises TypeError or KeyError where `data` is of another version."""
    return ModelConf(**{**data, "pretrained": PretrainedConf(**data["pretrained"])})


def raw_model(raw: Raw) -> ModelConf:
    """The model of a conf that is still plain types; keys that there are not are left out, to be refused later.

    Raises:
        InputError: a section is no mapping, or an encoder's name or place is no text.
    """
    section = raw.get("model") or {}
    pretrained = section.get("pretrained") or {} if isinstance(section, dict) else {}
    if not isinstance(section, dict) or not isinstance(pretrained, dict):
        raise InputError("conf section model, or model.pretrained in it, is not a mapping of keys and values")
    known = {f.name: section[f.name] for f in fields(ModelConf) if f.name in section and f.name != "pretrained"}
    encoder = {f.name: pretrained[f.name] for f in fields(PretrainedConf) if f.name in pretrained}
    # These decide where stage 2 writes, before types are checked.
    if wrong := next((key for key in ("name", "path", "revision") if not isinstance(encoder.get(key, ""), str)), None):
        raise InputError(f"model.pretrained.{wrong} is {encoder[wrong]}: it must be text (quote a number)")
    return ModelConf(**known, pretrained=PretrainedConf(**encoder))


def model_names() -> list[str]:
    """The models that there are."""
    return sorted(path.stem for path in MODELS.glob("*.yaml"))


def read_model(name: str) -> Raw:
    """The file of the model called `name`, laid over the one that it extends, if it extends one.

    Raises:
        InputError: there is no such file, it holds more than a model, or it extends itself in the end.
    """
    chain: dict[str, Raw] = {}
    wanted: str | None = name
    while wanted is not None:
        who = f"local/conf/{list(chain)[-1]}.yaml extends {wanted}" if chain else f"--model {wanted}"
        if wanted not in model_names():
            raise InputError(f"{who}: there is no such file in local/conf; choose from {', '.join(model_names())}")
        if wanted in chain:
            raise InputError(f"{who}, which extends it in turn: a model cannot stand on itself")
        chain[wanted] = _read_alone(wanted)
        base = chain[wanted].pop(EXTENDS, None)
        wanted = None if base is None else str(base)
    merged: Raw = {}
    for raw in reversed(chain.values()):
        merged = lay_over(merged, raw)
    return merged


def _read_alone(name: str) -> Raw:
    raw = read_yaml(MODELS / f"{name}.yaml")
    if others := [section for section in raw if section not in (*MODEL_SECTIONS, EXTENDS)]:
        raise InputError(
            f"local/conf/{name}.yaml has the section {others[0]}: a model is {', '.join(MODEL_SECTIONS)}, and "
            "everything else belongs to a recipe's conf"
        )
    return raw

"""A model: a network and its training, which is a file of local/conf for every recipe; its sections, and reading one.

What a key means in full stands in local/conf/scratch.yaml, which has the same values as these defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from seq.errors import InputError
from seq.utils.typed_values import (
    Bounds,
    NonNegativeFloat,
    NonNegativeInt,
    Part,
    PositiveFloat,
    PositiveInt,
    Share,
    Size,
)
from seq.utils.typed_yaml import Raw, lay_over, read_yaml

MODELS = Path(__file__).resolve().parents[2] / "local/conf"
# Keys whose values are places on the disk.
PATH_KEYS = ("model.pretrained.path", "train.teacher", "augment.noise_dir")
# A key of a model's file: the name of another one, of which it changes what it says.
EXTENDS = "extends"
MODEL_SECTIONS = ("features", "augment", "model", "ctc", "train")
Decibels = Annotated[float, Bounds(-100, 100)]
# More of either than any machine has is a slip of the finger, which would bring it down.
Workers = Annotated[int, Bounds(0, 256)]
Threads = Annotated[int, Bounds(1, 256)]


@dataclass
class FeaturesConf:
    """Stage 0 trims (see `seq.audio.trimming.trim_silence`); stage 2 computes Kaldi-compatible log-mel filter banks."""

    extractor: str = "kaldi-fbank"
    num_filters: Annotated[int, Bounds(1, 512)] = 80
    trim: bool = True


@dataclass
class AugmentConf:
    """Training augmentation: of fbank, then of waveforms, which makes training compute fbank on the fly."""

    tempo: Part = 0.2
    frequency_warp: Part = 0.1
    gain_db: Annotated[float, Bounds(0, 100)] = 6.0
    time_masks: Annotated[int, Bounds(0, 100)] = 2
    time_mask_frames: NonNegativeInt = 20
    frequency_masks: Annotated[int, Bounds(0, 100)] = 2
    frequency_mask_bins: NonNegativeInt = 10

    speed_prob: Share = 1.0
    speed: Annotated[float, Bounds(0, 0.9)] = 0.12
    noise_prob: Share = 0.0
    noise_snr_low: Decibels = 10.0
    noise_snr_high: Decibels = 30.0
    noise_dir: str = ""
    room_prob: Share = 0.0
    band_prob: Share = 0.0
    on_the_fly: bool = False
    # MixSpeech: how many batches are mixed, and both parameters of the beta distribution of an utterance's share.
    mix_prob: Share = 0.0
    mix_alpha: Annotated[float, Bounds(0.01, 100)] = 0.5
    # Of a cached encoder: what an utterance's speed is drawn from.
    speeds: list[Annotated[float, Bounds(0.5, 2)]] = field(default_factory=lambda: [1.0])
    # And how many copies of it went through rooms, noise and telephones, and how often one is drawn.
    copies: Annotated[int, Bounds(0, 100)] = 0
    copy_prob: Share = 0.5


@dataclass
class PretrainedConf:
    """An encoder in transformers' form, and what of it is trained; see `seq/models/pretrained/`."""

    name: str = ""
    revision: str = "main"
    path: str = ""
    trained_layers: NonNegativeInt = 0
    lora_rank: Annotated[int, Bounds(0, 1024)] = 0
    lora_alpha: PositiveInt = 16
    lora_modules: list[str] = field(default_factory=list)
    learning_rate: NonNegativeFloat = 1e-4


@dataclass
class ModelConf:
    """Sizes of the network; see `seq/models/`."""

    front_end: Literal["fbank", "pretrained"] = "fbank"
    pretrained: PretrainedConf = field(default_factory=PretrainedConf)
    statistics_layers: list[NonNegativeInt] = field(default_factory=list)
    statistics_dropout: Part = 0.3
    encoder: str = "conformer"
    subsampling: Literal[2, 4] = 4
    stem_channels: Size = 32
    channels: Size = 128
    num_layers: Annotated[int, Bounds(1, 256)] = 4
    kernel_size: Annotated[int, Bounds(1, 1023, odd=True)] = 15
    num_heads: Size = 4
    feedforward: Size = 384
    embedding_dim: Size = 128
    members: Size = 1
    adapter_dim: Annotated[int, Bounds(0, 4096)] = 0
    dropout: Part = 0.1
    head_dropout: Part = 0.3


@dataclass
class CtcConf:
    """Backend of the phoneme branch: k2 where it imports, torch otherwise; or the one that is named."""

    backend: Literal["auto", "k2", "torch"] = "auto"


@dataclass
class TrainConf:
    """Optimisation. A task's loss is its mean over the utterances that have its label, times its scale."""

    num_epochs: PositiveInt = 40
    batch_duration: PositiveFloat = 40.0
    learning_rate: NonNegativeFloat = 2e-3
    weight_decay: NonNegativeFloat = 0.05
    warmup_epochs: NonNegativeFloat = 3.0
    gradient_clip: PositiveFloat = 5.0
    label_smoothing: Part = 0.1
    loss_scales: dict[str, NonNegativeFloat] = field(default_factory=dict)
    class_balance: Share = 1.0
    average_epochs: PositiveInt = 5
    average_period: PositiveInt = 1
    select_by: Literal["loss", "UA"] = "loss"
    teacher: str = ""
    teacher_weight: NonNegativeFloat = 1.0
    teacher_temperature: PositiveFloat = 2.0
    teacher_statistics: NonNegativeFloat = 0.0
    early_stop_epochs: NonNegativeInt = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    num_threads: Threads = 1
    num_workers: Workers = 0
    # Bookkeeping (see BOOKKEEPING).
    save_every_batches: NonNegativeInt = 0
    keep_last_k: PositiveInt = 10
    keep_all_epochs: bool = False


def check_model(model: ModelConf) -> None:
    """Raises InputError where keys of a model, each of which may be what it is, do not go together."""
    if model.embedding_dim % model.members:
        raise InputError(
            f"model.members is {model.members}: it must divide model.embedding_dim, which is {model.embedding_dim}"
        )
    # Its rotary positions turn pairs of channels.
    if model.encoder == "conformer" and model.channels % (2 * model.num_heads):
        raise InputError(
            f"model.num_heads is {model.num_heads}: twice that must divide model.channels, which is {model.channels}"
        )
    if model.pretrained.lora_rank and not model.pretrained.trained_layers:
        raise InputError(
            "model.pretrained.lora_rank is set and trained_layers is 0: say in how many of the last layers adapters are"
        )


def check_training(features: FeaturesConf, augment: AugmentConf, model: ModelConf) -> None:
    """`check_model`, and the same of what it reads and how that is varied in training."""
    check_model(model)
    hides_filters = model.front_end == "fbank" and augment.frequency_masks > 0
    if hides_filters and augment.frequency_mask_bins > features.num_filters:
        raise InputError(
            f"augment.frequency_mask_bins is {augment.frequency_mask_bins}: features.num_filters are no more than "
            f"{features.num_filters}"
        )
    if augment.mix_prob and model.front_end != "fbank":
        raise InputError(
            "augment.mix_prob mixes filter banks, which a network on a pretrained encoder does not read: set it to 0"
        )
    if augment.noise_snr_low > augment.noise_snr_high:
        raise InputError(
            f"augment.noise_snr_low is {augment.noise_snr_low:g}, above augment.noise_snr_high, which is "
            f"{augment.noise_snr_high:g}: exchange them"
        )
    if not augment.speeds:
        raise InputError("augment.speeds is empty: name one speed or more, such as [1.0]")


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

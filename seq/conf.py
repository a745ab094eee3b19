"""The configuration: dataclasses, filled from `local/conf/<model>.yaml`, `egs/<corpus>/conf/*.yaml` and `--set`.

What YAML could turn into a number or a boolean (`01`, `no`) is a quoted string inside a list of small records: as the
key of a mapping it would escape the check of types.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from seq.errors import InputError
from seq.utils.model_conf import (
    MODEL_SECTIONS,
    AugmentConf,
    CtcConf,
    FeaturesConf,
    ModelConf,
    TrainConf,
    check_training,
    read_model,
)
from seq.utils.names import wrong_name
from seq.utils.protocol_conf import ProtocolConf, RawName
from seq.utils.typed_values import Finite, NonNegativeFloat, NonNegativeInt, PositiveInt, Share, read_typed
from seq.utils.typed_yaml import Raw, apply_override, lay_over, read_yaml


@dataclass
class RawValue:
    """One raw intensity label of a corpus and its place on the scale from 0 to 1."""

    raw: str
    value: Share


@dataclass
class Scale:
    """A numeric rating: `low` means 0 to the network, `high` means 1, and it is linear between them."""

    low: Finite
    high: Finite


@dataclass
class NameCount:
    """How many utterances of a canonical category a complete copy of the corpus has."""

    name: str
    count: NonNegativeInt


@dataclass
class CorpusConf:
    """What the corpus is, and the counts that a complete copy must have (None: not checked)."""

    name: str
    reader: str
    num_utterances: PositiveInt | None = None
    # Where nobody knows the number, but that it is no smaller: a copy with fewer is not complete.
    min_utterances: PositiveInt | None = None
    num_speakers: PositiveInt | None = None
    emotion_counts: list[NameCount] = field(default_factory=list)
    emotions: list[RawName] = field(default_factory=list)
    # Words or codes for intensity, and, by task, scales of ratings that are numbers; without either, no utterance has
    # an intensity label.
    intensities: list[RawValue] = field(default_factory=list)
    scales: dict[str, Scale] = field(default_factory=dict)
    # Train on the distribution of the annotators' emotions, where several labelled an utterance, not on the majority.
    soft_labels: bool = False

    @property
    def categories(self) -> dict[str, str]:
        """The canonical category of each raw emotion label."""
        return {item.raw: item.name for item in self.emotions}


@dataclass
class LangConf:
    """What the CTC branch spells."""

    # `ipa` writes the phones of every language in one alphabet (seq/lang/ipa.py), for corpora of several languages.
    unit: Literal["phone", "ipa", "char", "bpe"] = "phone"
    # Pieces of a BPE model, <blk>, <sos/eos> and <unk> among them.
    vocab_size: PositiveInt = 100


@dataclass
class DecodeConf:
    """What stage 6 alone reads: a change trains nothing again."""

    # Weight of a bigram over tokens, made from the train transcripts; 0 decodes on the CTC topology alone. Needs k2.
    bigram_scale: NonNegativeFloat = 0.0


@dataclass
class UnifiedCorpus:
    """A corpus that egs/unified takes from a sibling recipe, and the protocol whose folds it follows there."""

    name: str
    protocol: str
    # Folder of the recipe, seen from egs/unified; empty: ../<name>.
    recipe: str = ""


@dataclass
class UnifiedConf:
    """Corpora that one model trains on; empty in the recipe of a single corpus."""

    corpora: list[UnifiedCorpus] = field(default_factory=list)
    # 0: corpora are drawn in proportion to their size; 1: all equally often; between: size ** (1 - balance).
    balance: Share = 0.5
    # The experiment <alone>_<protocol> of a sibling is what joint training is compared with; empty: the same model's.
    alone: str = ""


@dataclass
class Conf:
    """One recipe's configuration with one model."""

    corpus: CorpusConf
    protocols: list[ProtocolConf]
    features: FeaturesConf = field(default_factory=FeaturesConf)
    lang: LangConf = field(default_factory=LangConf)
    augment: AugmentConf = field(default_factory=AugmentConf)
    model: ModelConf = field(default_factory=ModelConf)
    ctc: CtcConf = field(default_factory=CtcConf)
    train: TrainConf = field(default_factory=TrainConf)
    decode: DecodeConf = field(default_factory=DecodeConf)
    unified: UnifiedConf = field(default_factory=UnifiedConf)
    # A file of local/conf: a recipe's conf may name its own, and --model another.
    model_name: str = "scratch"

    def protocol(self, name: str | None = None) -> ProtocolConf:
        """The protocol called `name`, or the first one. Raises InputError where there is none."""
        for protocol in self.protocols:
            if name in (None, protocol.name):
                return protocol
        known = ", ".join(p.name for p in self.protocols) or "none"
        raise InputError(f"--protocol {name or 'NAME'}: the conf of {self.corpus.name} has {known}")


# Keys that decide a run's weights: training runs again where one changes, and never goes on from weights of others.
# `protocol` is the chosen one; who it makes train and valid is in the folds, and the corpora are in the data.
WEIGHTS = (*MODEL_SECTIONS, "lang", "corpus.soft_labels", "unified.balance", "protocol.emotions", "protocol.merges")
BOOKKEEPING = ("train.save_every_batches", "train.keep_last_k", "train.keep_all_epochs")
# And where an encoder is found; which one it is, is in its digest.
NO_WEIGHTS = (*BOOKKEEPING, "model.pretrained.path", "model.pretrained.revision")


def read_conf(path: Path, overrides: list[str], model: str | None = None) -> Raw:
    """A model's file, a recipe's conf over it, and `section.key=value` over both; keys and types are not checked yet.

    Args:
        model: name of a file of local/conf; by default the one that the conf names.

    Raises:
        InputError: a file is missing or is not a YAML mapping, an override is malformed, or there is no such model.
    """
    raw = read_yaml(path)
    for override in overrides:
        apply_override(raw, override)
    name = model or raw.get("model_name", Conf.model_name)
    return {**lay_over(read_model(name), raw), "model_name": name}


def load_conf(path: Path | str, overrides: list[str] | None = None, model: str | None = None) -> Conf:
    """`read_conf`, checked. Raises InputError as it and `conf_from_dict` do."""
    return conf_from_dict(read_conf(Path(path), overrides or [], model), f"conf {path}")


def conf_to_dict(conf: Conf) -> dict[str, Any]:
    """A conf as plain types, to be written beside an experiment or into a checkpoint."""
    return asdict(conf)


def conf_from_dict(data: Raw, what: str = "the stored configuration") -> Conf:
    """A conf from plain types, checked: every conf that is read, from whatever it is, comes through here.

    Raises:
        InputError: naming `what`, where a key is unknown or missing, a value is of another type or out of its bounds,
            a corpus or a protocol has a name that files cannot have, or values do not go together.
    """
    conf = read_typed(data, Conf, what)
    named = [("corpus.name", conf.corpus.name), *(("the name of a protocol", p.name) for p in conf.protocols)]
    try:
        for key, name in named:
            if wrong := wrong_name(name):
                raise InputError(f"{key}, {name!r}, {wrong}: it names files, so choose another")
        check_training(conf.features, conf.augment, conf.model)
        if conf.corpus.num_utterances and conf.corpus.min_utterances:
            raise InputError("corpus.num_utterances and corpus.min_utterances are both given: keep one")
        for scale in conf.corpus.scales.values():
            if scale.low >= scale.high:
                raise InputError(f"corpus.scales has a low of {scale.low:g}: it must be below its high, {scale.high:g}")
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    return conf

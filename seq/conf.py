"""The configuration of a recipe: dataclasses, filled from `egs/<corpus>/conf/*.yaml` and `--set key=value`.

Unknown keys and values of the wrong type are errors. Anything that a YAML parser could turn into
a number or a boolean (`01`, `no`) is kept as a quoted string inside a list of small records, since the
keys of a mapping would escape the type check.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from seq.errors import InputError


@dataclass
class RawName:
    """One raw emotion label of a corpus and its canonical category (`seq.labels.EMOTIONS`)."""

    raw: str
    name: str


@dataclass
class RawValue:
    """One raw intensity label of a corpus and its place on the scale from 0 to 1."""

    raw: str
    value: float


@dataclass
class Scale:
    """A numeric rating: `low` means 0 to the network, `high` means 1, and it is linear between them."""

    low: float
    high: float


@dataclass
class NameCount:
    """How many utterances of a canonical category a complete copy of the corpus has."""

    name: str
    count: int


@dataclass
class CorpusConf:
    """What the corpus is, and the counts that a complete copy must have (None: not checked)."""

    name: str
    reader: str
    num_utterances: int | None = None
    num_speakers: int | None = None
    emotion_counts: list[NameCount] = field(default_factory=list)
    emotions: list[RawName] = field(default_factory=list)
    # Words or codes for intensity, and, by task, scales of ratings that are numbers; a corpus may have both. Without
    # either, the corpus does not rate intensity, and no utterance has an intensity label.
    intensities: list[RawValue] = field(default_factory=list)
    scales: dict[str, Scale] = field(default_factory=dict)
    # Train on the distribution of the annotators' emotions, where several labelled an utterance, not on the majority.
    soft_labels: bool = False


@dataclass
class Selection:
    """Utterances whose speaker is in `speakers` and whose sentence is in `sentences`; an empty list selects all.

    A selection with both lists empty selects nothing.
    """

    speakers: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


@dataclass
class FoldConf:
    """One fold: what is not in test or valid is train. Test is taken first, then valid."""

    test: Selection
    valid: Selection


@dataclass
class RandomFolds:
    """Folds drawn at random; valid is the next fold.

    By utterance they are stratified by speaker and emotion: speaker-dependent, and labelled so. By speaker they are
    speaker-disjoint, for corpora whose speakers the conf does not know.
    """

    num_folds: int
    seed: int = 0
    by: Literal["utterance", "speaker"] = "utterance"


@dataclass
class ProtocolConf:
    """Classes, merges and split of one evaluation. It alone defines the test set."""

    name: str
    description: str
    emotions: list[str]
    # Empty: all languages of the corpus; otherwise those of other languages are excluded.
    languages: list[str] = field(default_factory=list)
    merges: list[RawName] = field(default_factory=list)
    speaker_disjoint: bool = True
    folds: list[FoldConf] = field(default_factory=list)
    random: RandomFolds | None = None


@dataclass
class FeaturesConf:
    """Stage 0 trims (see `seq.audio.reading.trim_silence`); stage 2 computes Kaldi-compatible log-mel filter banks."""

    extractor: str = "kaldi-fbank"
    num_filters: int = 80
    trim: bool = True
    # Compute the features of training from the audio in every epoch, on the device that trains.
    on_the_fly: bool = False


@dataclass
class LangConf:
    """What the CTC branch spells."""

    # `ipa` writes the phones of every language in one alphabet (seq/lang/ipa.py), for corpora of several languages.
    unit: Literal["phone", "ipa", "char", "bpe"] = "phone"
    # Pieces of a BPE model, <blk>, <sos/eos> and <unk> among them.
    vocab_size: int = 100


@dataclass
class AugmentConf:
    """Training augmentation. The first block acts on fbank, the second on waveforms.

    Any probability above 0 in the second block makes training compute fbank on the fly; with 0 it reads stage 2's.
    """

    # Tempo: the time axis is resampled by a factor drawn from [1 - tempo, 1 + tempo].
    tempo: float = 0.2
    # Vocal tract length: the filter axis is warped by a factor drawn from [1 - frequency_warp, 1 + frequency_warp].
    frequency_warp: float = 0.1
    # Gain in dB, drawn from [-gain_db, gain_db]: a constant on log energies.
    gain_db: float = 6.0
    time_masks: int = 2
    time_mask_frames: int = 20
    frequency_masks: int = 2
    frequency_mask_bins: int = 10

    # Probability of a speed change, by a factor drawn from [1 - speed, 1 + speed].
    speed_prob: float = 1.0
    speed: float = 0.12
    # Probability of additive noise, at a signal-to-noise ratio drawn from [noise_snr_low, noise_snr_high] dB.
    noise_prob: float = 0.0
    noise_snr_low: float = 10.0
    noise_snr_high: float = 30.0


@dataclass
class ModelConf:
    """Sizes of the network; see `seq/models/`."""

    # A file of seq/models/ that defines an encoder: conformer, tdnn.
    encoder: str = "conformer"
    # Encoder frames are 2 or 4 fbank frames long: 20 or 40 ms.
    subsampling: int = 4
    stem_channels: int = 32
    channels: int = 128
    num_layers: int = 4
    # Frames that a depthwise convolution sees; odd.
    kernel_size: int = 15
    # Attention heads of the Conformer.
    num_heads: int = 4
    feedforward: int = 384
    embedding_dim: int = 128
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
    # By task, where it is not the task's own (seq/tasks/).
    loss_scales: dict[str, float] = field(default_factory=dict)
    # Weight of an utterance in the losses of tasks whose classes count (emotion, intensity): (1 / how many the train
    # part has of its class) ** class_balance. 0: utterances count alike; 1: classes do, as in UA.
    class_balance: float = 1.0
    # Decoding uses the mean of the weights over the last `average_epochs` epochs up to the chosen one, sampled
    # every `average_period` batches (icefall's model_avg).
    average_epochs: int = 5
    average_period: int = 1
    # What the best epoch has: the lowest cross entropy of emotion on valid, or the highest UA. On the few speakers
    # that a fold can spare for valid, UA moves in steps of a point or more and its maximum is a matter of luck.
    select_by: Literal["loss", "UA"] = "loss"
    # Stop when no better epoch has come for this many epochs; 0 trains all epochs.
    early_stop_epochs: int = 0
    # `auto` is bf16 where the hardware multiplies it (GPU; CPU with AVX512-BF16 or AMX), fp32 elsewhere.
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    # Threads of one training process on a CPU. Folds run side by side (--nj), and the same number gives the same bits.
    num_threads: int = 1
    # Data loader processes; 0 loads in the training process.
    num_workers: int = 0
    # Bookkeeping, as in icefall: also write checkpoint-<batch>.pt every so many batches (0: never), keep the last few.
    save_every_batches: int = 0
    keep_last_k: int = 10
    # Keep every epoch-<N>.pt, and not only those that decoding the chosen epoch needs.
    keep_all_epochs: bool = False


@dataclass
class DecodeConf:
    """What stage 6 alone reads: a change trains nothing again."""

    # Weight of a bigram over tokens, made from the train transcripts; 0 decodes on the CTC topology alone. Needs k2.
    bigram_scale: float = 0.0


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
    balance: float = 0.5
    # The experiment <alone>_<protocol> of a sibling, where it has one, is what joint training is compared with.
    alone: str = "default"


@dataclass
class Conf:
    """One recipe's configuration."""

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

    def protocol(self, name: str | None = None) -> ProtocolConf:
        """The protocol called `name`, or the first one. Raises InputError for an unknown name."""
        if name is None:
            return self.protocols[0]
        for protocol in self.protocols:
            if protocol.name == name:
                return protocol
        known = ", ".join(p.name for p in self.protocols)
        raise InputError(f"--protocol {name}: the conf of {self.corpus.name} has {known}")


def read_conf_file(path: Path, overrides: list[str]) -> dict[str, Any]:
    """A conf file with `section.key=value` overrides, as plain types; neither keys nor types are checked yet.

    Raises:
        InputError: the file is missing or is not a YAML mapping, or an override is malformed.
    """
    import yaml

    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise InputError(f"conf {path} cannot be read ({error.strerror}): pass an existing file with --conf") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"conf {path} is not valid YAML ({error})") from error
    if not isinstance(raw, dict):
        raise InputError(f"conf {path} is not a mapping of sections (corpus, protocols, ...)")
    for override in overrides:
        apply_override(raw, override)
    return raw


def load_conf(path: Path | str, overrides: list[str] | None = None) -> Conf:
    """Read a conf file and apply `section.key=value` overrides.

    Raises:
        InputError: the file is missing or not YAML, a key is unknown, a value has the wrong type.
    """
    # jsonargparse takes 0.2 s to import; what only asks for a `Conf` type should not pay for it.
    from jsonargparse import ArgumentError, ArgumentParser, Namespace

    raw = read_conf_file(Path(path), overrides or [])
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Conf, None)
    try:
        parsed: Namespace = parser.parse_object(raw)
        conf = Conf(**vars(parser.instantiate(parsed)))
    except (ArgumentError, TypeError, ValueError, KeyError) as error:
        raise InputError(f"conf {path}: {error}") from error
    if not conf.protocols:
        raise InputError(f"conf {path}: protocols is empty; name at least one")
    return conf


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set `section.key=value` in a conf that is still plain types. Raises InputError if it is not of that form."""
    import yaml

    key, separator, value = override.partition("=")
    if not separator or not key:
        raise InputError(f"--set {override}: write it as section.key=value, for example train.num_epochs=10")
    *sections, last = key.split(".")
    target = raw
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise InputError(f"--set {override}: {section} is not a section of the conf")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override}: the value is not valid YAML") from error


def conf_to_dict(conf: Conf) -> dict[str, Any]:
    """A conf as plain types, to be written beside an experiment or into a checkpoint."""
    return asdict(conf)


def conf_from_dict(data: dict[str, Any], what: str = "the stored configuration") -> Conf:
    """Inverse of `conf_to_dict`. Raises InputError, naming `what`, where the keys or types do not fit this version."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Conf, None)
    try:
        return Conf(**vars(parser.instantiate(parser.parse_object(data))))
    except (ArgumentError, TypeError, ValueError, KeyError) as error:
        raise InputError(f"{what} does not fit this version of SpeechEQ: {error}") from error

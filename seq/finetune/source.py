"""The model folder that finetuning starts from: its network, with room for the classes that it lacks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from seq.conf import Conf, CorpusConf, apply_override, conf_from_dict
from seq.errors import InputError
from seq.export.waveform_model import load_network
from seq.labels import EMOTION, EMOTIONS
from seq.models.heads import silence_classes
from seq.models.model import ModelSpec, SpeechEqModel, kept_weights
from seq.runtime.folder import Description, read_model_folder
from seq.tasks.base import Setting
from seq.tasks.registry import in_order
from seq.train.start import Start
from seq.utils.files import atomic_path

# What training from random weights does (`seq.conf.TrainConf`), but more gently and for less long.
TRAINING = {
    "num_epochs": 15,
    "learning_rate": 3e-4,
    "warmup_epochs": 1.0,
    "average_epochs": 5,
    "early_stop_epochs": 0,
    "keep_all_epochs": False,
}
# Sections that `--set` may change: the others are the model's, or follow from the split.
FREE_SECTIONS = ("corpus", "augment", "train", "ctc", "decode")
# Where a pretrained encoder is on this machine.
ENCODER_PLACE = "model.pretrained.path"


@dataclass(frozen=True)
class Source:
    """A model folder, read and checked."""

    folder: Path
    # model.json.
    description: Description
    model: SpeechEqModel

    @property
    def spec(self) -> ModelSpec:
        return self.model.spec

    def emotions_with(self, used: set[str]) -> list[str]:
        """The model's classes in their order, then those of `used` that it lacks, in that of `seq.labels`."""
        known = self.spec.outputs[EMOTION].labels if EMOTION in self.spec.outputs else ()
        return [*known, *(name for name in EMOTIONS if name in used and name not in known)]

    def spec_for(self, setting: Setting) -> ModelSpec:
        """The network after finetuning: classes are those of `setting`; levels and ranges too, where it has any.

        Symbols stay: the model has learnt them.
        """
        outputs = dict(self.spec.outputs)
        for task in in_order(outputs):
            wanted = task.outputs(setting)
            is_rated = wanted.levels if task.kind == "scale" else task.name in setting.corpus.scales
            if task.kind == "category" or (task.kind != "sequence" and is_rated):
                outputs[task.name] = wanted
        return replace(self.spec, outputs=outputs)

    def conf(self, corpus: CorpusConf, overrides: list[str]) -> Conf:
        """The conf of finetuning, without a protocol yet: the model's, less what `TRAINING` and `overrides` change.

        Raises:
            InputError: an override is malformed, unknown, or would change the network.
        """
        features, network = self.description["features"], self.description["network"]
        kept = self.description.get("conf", {})
        raw: dict[str, Any] = {
            **kept,
            "corpus": asdict(corpus),
            "protocols": [],
            "features": {name: features[name] for name in ("extractor", "num_filters", "trim")},
            "model": network["model"],
            "train": {**kept.get("train", {}), **TRAINING},
        }
        for override in overrides:
            if override.split(".")[0] not in FREE_SECTIONS and not override.startswith(f"{ENCODER_PLACE}="):
                raise InputError(
                    f"--set {override}: finetuning keeps the network, features and phones of the model and splits by "
                    f"speakers; what can be set begins with {', '.join(FREE_SECTIONS)}"
                )
            apply_override(raw, override)
        return conf_from_dict(raw, f"the conf of {self.folder} with {' '.join(overrides) or 'the defaults'}")


def open_source(folder: Path, overrides: list[str]) -> Source:
    """Read a model folder, whose pretrained encoder may be where an override says.

    Raises:
        InputError: it is missing, altered, or of another version, or its encoder is not at hand, or another one.
    """
    places = [override.partition("=")[2] for override in overrides if override.startswith(f"{ENCODER_PLACE}=")]
    network, _ = load_network(folder, places[-1] if places else "")
    if network.spec.encoder is not None:
        # Where all of it is frozen the network does not need it; stage 2 and the export do, hours later.
        network.spec.encoder.checkpoint(network.spec.model.pretrained)
    return Source(folder, read_model_folder(folder), network)


def grow(model: SpeechEqModel, spec: ModelSpec, seed: int) -> SpeechEqModel:
    """A copy of a network whose category heads have the classes of `spec`; the new ones, at the end, are random."""
    torch.manual_seed(seed)
    grown = SpeechEqModel(spec)
    weights = grown.state_dict()
    heads = tuple(f"heads.{name}." for name, found in spec.outputs.items() if found.kind == "category")
    for name, value in model.state_dict().items():
        if name.startswith(heads):
            weights[name][: len(value)] = value
        else:
            weights[name] = value
    grown.load_state_dict(weights)
    return grown.eval()


def silence_new_classes(model: SpeechEqModel, before: ModelSpec) -> SpeechEqModel:
    """The network with a probability of exactly 0 for every class that it had not been trained for, in place."""
    for name, found in before.outputs.items():
        if found.kind == "category":
            silence_classes(model.heads, name, len(found.labels))
    return model


def write_start(source: Source, spec: ModelSpec, seed: int, path: Path) -> Start:
    """Write the weights that training starts from."""
    from safetensors.torch import save

    with atomic_path(path) as temporary:
        weights = kept_weights(grow(source.model, spec, seed))
        temporary.write_bytes(save({name: value.contiguous() for name, value in weights.items()}))
    return Start(spec, path)

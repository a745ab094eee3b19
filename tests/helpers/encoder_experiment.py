"""A tiny experiment on a tiny pretrained encoder: recordings, what stage 2 keeps of them, folds and a conf.

It is laid out as a recipe's folder is, so that a teacher and `speecheq export` find what belongs to it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import soundfile
from corpus_builders import speech_like
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from tiny_experiment import EMOTIONS, INTENSITIES, make_experiment, tiny_conf

from seq.conf import AugmentConf, Conf, FeaturesConf, conf_to_dict
from seq.data.features import prepare_features
from seq.models.pretrained.cache import prepare_encoded
from seq.models.pretrained.spec import encoder_folder
from seq.train.experiment import Experiment
from seq.utils.files import write_json
from seq.utils.model_conf import PretrainedConf

RATE = 16000
SPEEDS = [0.9, 1.0, 1.1]
# Hz: emotions differ in pitch, and so do women and men.
PITCH = {"neutral": 100.0, "happy": 170.0, "sad": 130.0}


def record_corpus(folder: Path, per_class: int = 3, corpus: str = "tiny") -> Path:
    """Recordings of four speakers and their manifest, as stages 0 and 1 of a recipe in `folder` would leave them.

    Args:
        corpus: whose name the ids have in front, unless it is the usual one.
    """
    prefix = "" if corpus == "tiny" else f"{corpus}-"
    cuts = []
    for speaker in range(4):
        for number, emotion in enumerate(EMOTIONS):
            for i in range(per_class):
                name = f"{prefix}s{speaker}-{emotion}-{i}"
                seed = 100 * speaker + 10 * number + i
                path = folder / "corpus" / f"{name}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                pitch = PITCH[emotion] * (1.6 - 0.6 * (speaker % 2))
                soundfile.write(path, speech_like(0.4 + 0.02 * (seed % 13), RATE, seed, pitch), RATE)
                recording = Recording.from_file(path, recording_id=name)
                custom: dict[str, Any] = {"emotion": emotion, "raw_emotion": emotion, "sentence": str(i)}
                if i:
                    custom["intensity"] = INTENSITIES[emotion]
                supervision = SupervisionSegment(
                    name, name, 0.0, recording.duration, speaker=f"s{speaker}", gender="FM"[speaker % 2], custom=custom
                )
                cuts.append(MonoCut(name, 0.0, recording.duration, 0, [supervision], recording=recording))
    manifest = folder / f"data/manifests/{corpus}_cuts.jsonl.gz"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    CutSet.from_cuts(cuts).to_file(manifest)
    return manifest


def encoder_experiment_conf(encoder: Path, trained_layers: int = 0, lora_rank: int = 0, **train: object) -> Conf:
    """A conf of a small network on the encoder in a folder, which it calls tiny/whisper wherever that is."""
    conf = tiny_conf(**train)
    conf.model.front_end = "pretrained"
    conf.model.pretrained = PretrainedConf(
        name="tiny/whisper", path=str(encoder), trained_layers=trained_layers, lora_rank=lora_rank
    )
    conf.model.encoder = "tdnn"
    conf.model.subsampling = 2
    off = {"tempo": 0.0, "frequency_warp": 0.0, "gain_db": 0.0, "speed_prob": 0.0}
    conf.augment = AugmentConf(time_masks=0, frequency_masks=0, speeds=list(SPEEDS), **off)
    conf.model_name = "whisper"
    return conf


def open_experiment(folder: Path, conf: Conf, name: str = "tiny") -> Experiment:
    """The experiment `name` of the recipe in `folder`, whose stage 2 is done where it was not."""
    manifest = folder / "data/manifests/tiny_cuts.jsonl.gz"
    encoder = encoder_folder(conf.model, conf.augment)
    out = folder / "data" / (f"encoder/{encoder}" if encoder else "fbank") / manifest.name
    if encoder:
        prepare_encoded(conf, manifest, out, out.parent / "storage")
    elif not out.exists():
        prepare_features(conf.features, manifest, out, out.parent / "storage")
    experiment = make_experiment(folder / "data", conf, cuts=CutSet.from_file(manifest))
    return replace(experiment, cuts=out, exp_dir=folder / "exp" / name)


def fbank_conf(**train: object) -> Conf:
    """A conf of a small network on filter banks, for the same recordings."""
    conf = tiny_conf(**train)
    conf.features = FeaturesConf(num_filters=20)
    conf.model.encoder = "tdnn"
    return conf


def lay_out(folder: Path, conf: Conf, corpus: str, tests: list[list[str]], per_class: int = 3) -> None:
    """A recipe's folder with a conf that names everything, and folds with these test speakers."""
    (folder / "conf").mkdir(parents=True)
    named = replace(conf, corpus=replace(conf.corpus, name=corpus), model_name="small")
    (folder / "conf/default.yaml").write_text(json.dumps(conf_to_dict(named)))
    (folder / "run.sh").touch()
    cuts = record_corpus(folder, corpus=corpus, per_class=per_class)
    prefix = "" if corpus == "tiny" else f"{corpus}-"
    experiment = open_experiment(folder, conf) if corpus == "tiny" else None
    if experiment is None:
        out = folder / "data/encoder/whisper" / cuts.name
        prepare_encoded(conf, cuts, out, out.parent / "storage")
    for number, speakers in enumerate(tests, start=1):
        ids = {s: [f"{prefix}{s}-{e}-{i}" for e in ("neutral", "happy", "sad") for i in range(per_class)]
               for s in ("s0", "s1", "s2", "s3")}  # fmt: skip
        rest = [s for s in ids if s not in speakers]
        valid = rest[-1] if corpus == "tiny" else rest[0]
        parts = {"test": speakers, "valid": [valid], "train": [s for s in rest if s != valid]}
        write_json(
            folder / f"data/folds/tiny/fold_{number}.json",
            {"corpus": corpus, "protocol": "tiny", "fold": number, "speaker_disjoint": True,
             "valid_speaker_disjoint": True, "excluded": {},
             **{part: [id_ for s in names for id_ in ids[s]] for part, names in parts.items()}},
        )  # fmt: skip

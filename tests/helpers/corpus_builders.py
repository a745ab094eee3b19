"""Miniature corpora for tests: the tree and the coding of the real one, speech-like sounds inside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile
from lhotse import CutSet

from seq.conf import Conf, CorpusConf, FeaturesConf, NameCount, ProtocolConf, RawName, RawValue
from seq.corpora.verify import prepare_corpus
from seq.data.features import prepare_features
from seq.data.manifests import prepare_manifests
from seq.data.targets import Labeller
from seq.tasks.base import Setting
from seq.tasks.registry import default_names, in_order
from seq.utils.protocol_conf import FoldConf, Selection

RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
# Utterances of each actor: emotions 01 and 05, two sentences, intensity 02 only for 05.
RAVDESS_CODES = ("01-01", "05-01", "05-02")


def real_cremad() -> Path | None:
    """CREMA-D's list and tables: the folder in SPEECHEQ_CREMAD, or the one beside the repository; None if missing."""
    default = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "cremad"
    folder = Path(os.environ.get("SPEECHEQ_CREMAD", default))
    return folder if (folder / "AudioWAV.list").exists() else None


def real_ravdess() -> Path | None:
    """The real RAVDESS: the folder in SPEECHEQ_RAVDESS, or the one beside the repository; None where missing."""
    default = Path(__file__).parents[3] / "shared" / "corpora" / "ravdess"
    folder = Path(os.environ.get("SPEECHEQ_RAVDESS", default))
    return folder if (folder / "Actor_01").is_dir() else None


def speech_like(seconds: float, rate: int, seed: int, pitch: float = 120.0) -> np.ndarray:
    """(T,) float32: a gliding harmonic sound with syllables in faint noise, for `seconds`; peak near 0.3."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * t + seed))) / rate
    sound = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    return (0.15 * syllables * sound + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


def spoken(seconds: float, rate: int, seed: int, before: float = 0.5, after: float = 0.4) -> np.ndarray:
    """`speech_like` with almost silent parts (-70 dB) before and after it."""
    rng = np.random.default_rng(seed + 1000)
    parts = [
        1e-4 * rng.standard_normal(round(before * rate)),
        speech_like(seconds, rate, seed),
        1e-4 * rng.standard_normal(round(after * rate)),
    ]
    return np.concatenate(parts).astype(np.float32)


def build_ravdess(
    folder: Path, actors: tuple[int, ...] = (1, 2, 3, 4), rate: int = 48000, suffix: str = ".wav"
) -> Path:
    """Write a miniature of RAVDESS: six files an actor, 48 kHz, the first one of each actor stereo."""
    for actor in actors:
        actor_dir = folder / f"Actor_{actor:02d}"
        actor_dir.mkdir(parents=True)
        names = [f"03-01-{code}-{s}-01-{actor:02d}" for code in RAVDESS_CODES for s in ("01", "02")]
        for index, name in enumerate(names):
            samples = spoken(0.8, rate, seed=100 * actor + index)
            if index == 0:
                samples = np.stack([samples, 0.5 * samples], axis=1)
            soundfile.write(actor_dir / f"{name}{suffix}", samples, rate, subtype="PCM_16")
    return folder


def ravdess_conf(num_actors: int = 4) -> Conf:
    """The conf of what `build_ravdess` writes: two folds of one man and one woman, where there are four actors."""
    corpus = CorpusConf(
        name="ravdess",
        reader="ravdess",
        num_utterances=6 * num_actors,
        num_speakers=num_actors,
        emotion_counts=[NameCount("neutral", 2 * num_actors), NameCount("angry", 4 * num_actors)],
        emotions=[RawName(f"{code:02d}", name) for code, name in enumerate(RAVDESS_EMOTIONS, start=1)],
        intensities=[RawValue("01", 2 / 3), RawValue("02", 1.0)],
    )
    folds = [
        FoldConf(test=Selection(speakers=["01", "02"]), valid=Selection(speakers=["03"])),
        FoldConf(test=Selection(speakers=["03", "04"]), valid=Selection(speakers=["01"])),
    ]
    return Conf(corpus=corpus, protocols=[ProtocolConf("mini", "miniature", ["neutral", "angry"], folds=folds)])


def run_stages(corpus: Path, data: Path, conf: Conf) -> Path:
    """Stages 0 and 1 for a miniature of RAVDESS; returns the manifest."""
    prepare_corpus(conf, str(corpus), data, data / "corpus.json", data / "audio.jsonl")
    out = data / "manifests" / "ravdess_cuts.jsonl.gz"
    prepare_manifests(conf, data / "corpus.json", data / "audio.jsonl", out)
    return out


def fbank_and_labels(folder: Path) -> tuple[CutSet, Labeller]:
    """The cuts of a miniature of RAVDESS after stage 2, and who encodes their labels."""
    conf = ravdess_conf()
    cuts = run_stages(build_ravdess(folder / "corpus"), folder / "data", conf)
    prepare_features(FeaturesConf(), cuts, folder / "fbank.jsonl.gz", folder / "storage")
    setting = Setting(conf.protocols[0], conf.corpus, ("<blk>",))
    labeller = Labeller({task.name: task.outputs(setting) for task in in_order(default_names())}, setting)
    return CutSet.from_file(folder / "fbank.jsonl.gz"), labeller

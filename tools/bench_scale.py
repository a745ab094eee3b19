#!/usr/bin/env python3
"""Time and peak memory of stages 1 to 5 on corpora that are not there: names drawn by a seed, features made when read.

Usage:   tools/bench_scale.py [--cuts 10000,1000000] [--batches 2000] [--stages 1,2,3,4,5] [--dir DIR] [--nj 1]
Inputs:  none
Outputs: a Markdown table: per stage and number of cuts, seconds, CPU seconds and the peak memory of the process (MiB);
         of stage 5, so many batches of a small network, and its memory after a tenth of them, too
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq.conf import Conf, CorpusConf, ModelConf, ProtocolConf, RawName, TrainConf
from seq.corpora.base import CorpusReader, Utterance
from seq.utils.files import write_json, write_jsonl
from seq.utils.protocol_conf import RandomFolds
from seq.utils.script import run_main

EMOTIONS = ("neutral", "happy", "sad", "angry")
# As many per thousand cuts as in a large corpus of crowds.
SPEAKERS_PER_1000 = 20
NUM_SENTENCES = 5000
WORDS = ["we", "go", "to", "the", "library", "tomorrow", "morning", "and", "stay", "here", "with", "a", "book"]
SECONDS = 1.0
NUM_FILTERS = 80
NUM_FOLDS = 5
READER = "scale"


class Reader(CorpusReader):
    """So many utterances as its option says."""

    name = READER

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        rng, number = random.Random(0), int(options["number"])
        for i in range(number):
            speaker = rng.randrange(max(NUM_FOLDS, number * SPEAKERS_PER_1000 // 1000))
            sentence = rng.randrange(NUM_SENTENCES)
            text = " ".join(random.Random(sentence).choices(WORDS, k=4))
            raw = {"emotion": rng.choice(EMOTIONS)}
            gender, name = ("F", "M")[speaker % 2], f"utterance-{i:08d}"
            yield Utterance(name, root / f"{name}.wav", f"s{speaker:05d}", gender, "en", text, str(sentence), raw)  # type: ignore[arg-type]


def make_conf() -> Conf:
    corpus = CorpusConf("scale", READER, emotions=[RawName(name, name) for name in EMOTIONS])
    folds = RandomFolds(NUM_FOLDS, 0, "speaker")
    conf = Conf(corpus, [ProtocolConf("speakers", "speakers dealt to folds", list(EMOTIONS), random=folds)])
    conf.model = ModelConf(stem_channels=4, channels=16, num_layers=2, kernel_size=3, feedforward=32, embedding_dim=16)
    conf.train = TrainConf(num_epochs=10_000, early_stop_epochs=0, batch_duration=16 * SECONDS)
    conf.augment.speed_prob = 0.0
    return conf


def register_features() -> None:
    """Let Lhotse make features of a cut, by a seed, where it would read them."""
    import numpy as np
    from lhotse.features.io import FeaturesReader, register_reader

    @register_reader
    class Seeded(FeaturesReader):
        name = "seeded"

        def __init__(self, storage_path: str, *args: Any, **kwargs: Any) -> None:
            del storage_path, args, kwargs

        def read(self, key: str, left_offset_frames: int = 0, right_offset_frames: int | None = None) -> np.ndarray:
            rng = np.random.default_rng(int(key.rpartition("-")[2]))
            frames = rng.standard_normal((round(100 * SECONDS), NUM_FILTERS), dtype=np.float32)
            return frames[left_offset_frames:right_offset_frames]


def add_features(cuts: list[Any]) -> list[Any]:
    """What stage 2 does, but for extracting and storing."""
    from lhotse import Features
    from lhotse.utils import fastcopy

    about = {"type": "kaldi-fbank", "num_features": NUM_FILTERS, "frame_shift": 0.01, "sampling_rate": 16000}
    return [
        fastcopy(
            cut,
            features=Features(
                **about,
                num_frames=round(100 * SECONDS),
                start=cut.start,
                duration=cut.duration,
                storage_type="seeded",
                storage_path="none",
                storage_key=cut.id,
                recording_id=cut.recording_id,
                channels=0,
            ),
        )
        for cut in cuts
    ]


def run_stage(stage: int, number: int, folder: Path, num_batches: int, workers: int) -> dict[str, int]:
    """Run a stage; returns what is to be said of it beside time and peak memory."""
    conf, manifest = make_conf(), folder / "manifests/cuts.jsonl.gz"
    fbank, folds, lang = folder / "fbank/cuts.jsonl.gz", folder / "folds", folder / "lang"
    if stage == 1:
        from seq.data.manifests import prepare_manifests

        prepare_manifests(conf, folder / "corpus.json", folder / "audio.jsonl", manifest)
    elif stage == 2:
        from seq.data.cut_jobs import rewrite_cuts

        rewrite_cuts(add_features, manifest, fbank, "features", workers, ["seq.data.cut_jobs"])
    elif stage == 3:
        from seq.data.folds import prepare_folds
        from seq.tasks.predictions import ManifestRow
        from seq.utils.files import read_jsonl

        rows = (ManifestRow.from_dict(cut) for cut in read_jsonl(manifest))
        prepare_folds("scale", rows, conf.protocols[0], folds)
    elif stage == 4:
        from seq.lang.lexicon import prepare_lang

        prepare_lang(manifest, lang)
    else:
        return train(conf, fbank, folds, lang, folder, num_batches)
    return {}


def train(conf: Conf, cuts: Path, folds: Path, lang: Path, folder: Path, num_batches: int) -> dict[str, int]:
    """So many batches of stage 5 on the first fold."""
    import torch

    from seq.tasks.registry import default_names
    from seq.train.experiment import Experiment
    from seq.train.run_data import RunData
    from seq.train.trainer import Trainer

    register_features()
    torch.set_num_threads(1)
    experiment = Experiment(conf, conf.protocols[0], default_names(), cuts, folds, lang, folder / "exp", device="cpu")
    started = time.perf_counter()
    trainer = Trainer(conf, RunData(experiment, 1, 0), experiment.run_dir(1, 0), "cpu")
    found = {"seconds before the first batch": round(time.perf_counter() - started)}

    class Enough(Exception):
        pass

    def count(trainer: Trainer) -> None:
        if trainer.progress.batch_idx_train == num_batches // 10:
            found["MiB after a tenth"] = memory("VmRSS")
        if trainer.progress.batch_idx_train == num_batches:
            found["MiB at the end"] = memory("VmRSS")
            raise Enough

    Trainer._save_batch = count  # type: ignore[method-assign,assignment]
    try:
        trainer.run()
    except Enough:
        return found
    raise AssertionError("training ended by itself")


def memory(what: str) -> int:
    """MiB of this process; not ru_maxrss, which a child inherits from its parent."""
    found = re.search(rf"{what}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def write_inputs(folder: Path, number: int) -> None:
    """What stage 0 would have written."""
    row: dict[str, Any] = {"sampling_rate": 16000, "num_channels": 1, "silent": False, "start": 0.0, "end": SECONDS}
    row |= {"num_samples": round(16000 * SECONDS), "digest": "0" * 64}
    write_jsonl(folder / "audio.jsonl", ({"path": f"utterance-{i:08d}.wav", **row} for i in range(number)))
    corpus: dict[str, Any] = {
        "corpus": "scale",
        "root": str(folder),
        "partial": False,
        "options": {"number": str(number)},
    }
    write_json(folder / "corpus.json", corpus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", default="10000,1000000")
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--stages", default="1,2,3,4,5")
    parser.add_argument("--dir", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--nj", type=int, default=1)
    parser.add_argument("--one", nargs=3, metavar=("STAGE", "CUTS", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    module = types.ModuleType(f"seq.corpora.{READER}")
    module.Reader = Reader  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    if args.one:
        stage, number, folder = int(args.one[0]), int(args.one[1]), Path(args.one[2])
        more = run_stage(stage, number, folder, args.batches, args.nj)
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        cpu = sum(one.ru_utime + one.ru_stime for one in usage)
        write_json(folder / "figures.json", {"cpu": cpu, "peak": memory("VmHWM"), **more})
        return
    print("| stage | cuts | s | CPU s | peak MiB | |\n|---|---|---|---|---|---|")
    for number in map(int, args.cuts.split(",")):
        with tempfile.TemporaryDirectory(dir=args.dir) as name:
            folder = Path(name)
            write_inputs(folder, number)
            for stage in args.stages.split(","):
                command = [sys.executable, __file__, "--one", stage, str(number), name]
                options = ["--batches", str(args.batches), "--nj", str(args.nj)]
                started = time.perf_counter()
                subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
                seconds = time.perf_counter() - started
                found = json.loads((folder / "figures.json").read_text())
                cpu, peak = found.pop("cpu"), found.pop("peak")
                notes = ", ".join(f"{value} {key}" for key, value in found.items())
                print(f"| {stage} | {number} | {seconds:.0f} | {cpu:.0f} | {peak} | {notes} |", flush=True)


if __name__ == "__main__":
    run_main(main)

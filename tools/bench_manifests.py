#!/usr/bin/env python3
"""How long the manifests of a corpus of ESD's size take, and how much memory.

Usage:   tools/bench_manifests.py [--utterances-per-emotion 350] [--dir DIR]
Inputs:  none: names without audio, in ESD's tree, with transcripts (20 speakers, 5 emotions; 35000 by default)
Outputs: one line: utterances, seconds, seconds of CPU, peak memory of the process (MiB)
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq.conf import load_conf
from seq.corpora.esd import EMOTIONS, SENTENCES_EACH, Reader
from seq.data.manifests import prepare_manifests
from seq.utils.files import write_json, write_jsonl
from seq.utils.script import run_main

CONF = Path(__file__).resolve().parent.parent / "egs/esd/conf/default.yaml"
TEXTS = {"zh": "我们明天上午去图书馆", "en": "we go to the library tomorrow morning"}


def write_names(root: Path, sentences: int) -> None:
    """ESD's tree with empty files; `sentences` of the 350 of each emotion."""
    for number in range(1, 21):
        speaker = f"{number:04d}"
        lines = []
        for block, emotion in enumerate(EMOTIONS):
            folder = root / speaker / emotion
            folder.mkdir(parents=True)
            for index in range(1, sentences + 1):
                name = f"{speaker}_{block * SENTENCES_EACH + index:06d}"
                (folder / f"{name}.wav").touch()
                lines.append(f"{name}\t{TEXTS['zh' if number <= 10 else 'en']}\t{emotion}\n")
        (root / speaker / f"{speaker}.txt").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances-per-emotion", type=int, default=SENTENCES_EACH, help="of each speaker")
    parser.add_argument("--dir", type=Path, help="where to work (default: a temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        root, data = Path(folder) / "esd", Path(folder) / "data"
        write_names(root, args.utterances_per_emotion)
        # What stage 0 would have written of files of 3 s.
        row = {
            "sampling_rate": 16000,
            "num_channels": 1,
            "num_samples": 48000,
            "silent": False,
            "start": 0.1,
            "end": 2.8,
        }
        rows = ({"path": str(u.audio.relative_to(root)), **row} for u in Reader().read(root, {}))
        write_jsonl(data / "audio.jsonl", rows)
        conf = load_conf(CONF)
        partial = args.utterances_per_emotion < SENTENCES_EACH
        write_json(data / "corpus.json", {"corpus": "esd", "root": str(root), "partial": partial, "options": {}})
        started, cpu_started = time.perf_counter(), time.process_time()
        prepare_manifests(conf, data / "corpus.json", data / "audio.jsonl", data / "esd_cuts.jsonl.gz")
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = f"{seconds:.1f} s ({cpu_seconds:.1f} s of CPU), peak memory {peak:.0f} MiB"
    print(f"{100 * args.utterances_per_emotion} utterances: {figures}")


if __name__ == "__main__":
    run_main(main)

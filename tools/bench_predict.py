#!/usr/bin/env python3
"""Measure `seq.runtime` on this machine: parity, speed beside wav2vec2-base, start to first answer, and its memory.

Usage:
    python tools/bench_predict.py MODEL AUDIO_DIR [--only parity,speed,start,long,many] [--num-utterances 200]
                                  [--long-seconds 3600] [--num-files 20000] [--nj 1] [--encoder DIR]

In:  MODEL, a folder that `speecheq export` wrote; AUDIO_DIR, real utterances.
Out: a Markdown table on standard output.

`long` is one file of that many seconds, `many` a folder of that many files, made of the utterances; each is judged by
`speecheq predict --out`, and so is a quarter of it, so that one sees what grows.

CPU seconds are what the process computed, whatever else the machine does; wall seconds are what a user waits. The
wav2vec2-base classifier (95 M parameters, random weights: speed does not depend on them) needs `transformers`.
"""

from __future__ import annotations

import os

# Before numpy and torch are loaded: their libraries read this once.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from seq.audio.reading import SAMPLING_RATE, read_audio
from seq.errors import InputError
from seq.runtime import load_model
from seq.runtime.inputs import expand
from seq.utils.script import run_main

PARTS = ("parity", "speed", "start", "long", "many")
BATCH_SIZE = 8
# wav2vec2 is slow: its factor is measured on this many utterances.
NUM_COMPARED = 10
REPEATS = 5


def measure_parity(model_dir: Path, waveforms: list[np.ndarray], encoder: str) -> list[tuple[str, str]]:
    """Largest differences between torch (on stage 2's filter banks, or on samples), ONNX single and ONNX batched.

    A model on a pretrained encoder takes waveforms of one length together: its batch is one waveform twice.
    """
    import torch

    from seq.conf import FeaturesConf
    from seq.data.features import compute_fbank
    from seq.export.waveform_model import load_waveform_model
    from seq.models.heads import FRAME_KINDS

    torch.set_num_threads(1)
    graph = load_model(model_dir).engine.graph
    waveform_model = load_waveform_model(model_dir, encoder)
    features = load_model(model_dir).description["features"]
    conf = FeaturesConf(features["extractor"], features["num_filters"])
    outputs = waveform_model.model.spec.outputs
    frame_outputs = [name for name, found in outputs.items() if found.kind in FRAME_KINDS]
    worst = {"ONNX and torch": 0.0, "ONNX batched and single": 0.0}
    size = 1 if waveform_model.one_length else BATCH_SIZE
    for start in range(0, len(waveforms), size):
        batch = waveforms[start : start + size]
        batched = graph.run(batch * 2 if waveform_model.one_length else batch)
        for i, waveform in enumerate(batch):
            single = graph.run([waveform])
            with torch.inference_mode():
                if waveform_model.one_length:
                    read = waveform_model.reader(torch.from_numpy(waveform).unsqueeze(0), torch.tensor([len(waveform)]))
                else:
                    feature = torch.from_numpy(compute_fbank(waveform, conf))
                    read = (feature.unsqueeze(0), torch.tensor([len(feature)]))
                output = waveform_model.model(*read)
            num_frames = int(output.lengths[0])
            for name in waveform_model.output_names:
                if name == "frames":
                    assert num_frames == single[name][0] == batched[name][i]
                    continue
                expected = (output.embedding if name == "embedding" else output.numbers[name])[0].numpy()
                other = batched[name][i][:num_frames] if name in frame_outputs else batched[name][i]
                for key, value in (
                    ("ONNX and torch", abs(single[name][0] - expected)),
                    ("ONNX batched and single", abs(single[name][0] - other)),
                ):
                    worst[key] = max(worst[key], float(value.max()))
    return [(f"{key}, {len(waveforms)} utterances, largest difference", f"{value:.1e}") for key, value in worst.items()]


def measure_speed(model_dir: Path, waveforms: list[np.ndarray]) -> list[tuple[str, str]]:
    """Real-time factor and latency on one core, from a waveform to a full answer; beside wav2vec2-base."""
    model = load_model(model_dir)
    wall, cpu = _time_each(lambda waveform: model(waveform, SAMPLING_RATE), waveforms)
    seconds = sum(map(len, waveforms)) / SAMPLING_RATE
    rows = [
        ("real-time factor, one core (CPU s / audio s)", f"{sum(cpu) / seconds:.5f}"),
        (
            f"latency, median of utterances of {seconds / len(waveforms):.1f} s",
            f"{1000 * statistics.median(wall):.0f} ms",
        ),
    ]
    part = waveforms[:: max(1, len(waveforms) // NUM_COMPARED)][:NUM_COMPARED]
    classify = _wav2vec2()
    if classify is None:
        return [*rows, ("wav2vec2-base classifier", "not measured: transformers is not installed")]
    _, ours = _time_each(lambda waveform: model(waveform, SAMPLING_RATE), part)
    _, theirs = _time_each(classify, part)
    seconds = sum(map(len, part)) / SAMPLING_RATE
    return [
        *rows,
        ("real-time factor of a wav2vec2-base classifier, torch, same core", f"{sum(theirs) / seconds:.4f}"),
        ("faster than it, CPU time, same utterances", f"{sum(theirs) / sum(ours):.0f} times"),
    ]


def _time_each(answer: Callable[[np.ndarray], object], waveforms: list[np.ndarray]) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of each call, after one to warm up."""
    answer(waveforms[0])
    wall, cpu = [], []
    for waveform in waveforms:
        start, cpu_start = time.perf_counter(), time.process_time()
        answer(waveform)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return wall, cpu


def _wav2vec2() -> Callable[[np.ndarray], object] | None:
    try:
        import torch
        from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification
    except ImportError:
        return None
    torch.set_num_threads(1)
    settings = Wav2Vec2Config()
    settings.num_labels = 8
    network = Wav2Vec2ForSequenceClassification(settings).eval()

    def classify(waveform: np.ndarray) -> object:
        with torch.inference_mode():
            return network(torch.from_numpy(waveform).unsqueeze(0)).logits.softmax(-1)

    return classify


def measure_start(model_dir: Path, path: str) -> list[tuple[str, str]]:
    """Seconds from the shell's command to the first answer."""
    command = [sys.executable, "-m", "seq.cli", "predict", str(model_dir), path]
    wall, cpu = [], []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    text = f"{min(wall):.2f} s wall, {min(cpu):.2f} s CPU"
    return [(f"start to first answer, best of {REPEATS}", text)]


def measure_long(model_dir: Path, waveforms: list[np.ndarray], seconds: float, num_jobs: int) -> list[tuple[str, str]]:
    """Time and peak memory for utterances that follow each other with pauses, 44.1 kHz stereo on disk."""
    rng = np.random.default_rng(0)
    rows = []
    for length in (seconds / 4, seconds):
        with tempfile.TemporaryDirectory() as folder:
            _write_long(Path(folder) / "long.flac", waveforms, length, rng)
            rows.append((f"{length / 60:.0f} minutes of audio in one file", _predict(model_dir, folder, num_jobs)))
    return rows


def measure_many(model_dir: Path, paths: list[str], number: int, num_jobs: int) -> list[tuple[str, str]]:
    """Time and peak memory for a folder of `number` files, which link to `paths` in turn."""
    rows = []
    for count in (number // 4, number):
        with tempfile.TemporaryDirectory() as folder:
            for i in range(count):
                source = Path(paths[i % len(paths)]).resolve()
                Path(folder, f"{i:08d}{source.suffix}").symlink_to(source)
            rows.append((f"{count} files", _predict(model_dir, folder, num_jobs)))
    return rows


def _predict(model_dir: Path, folder: str, num_jobs: int) -> str:
    """What `speecheq predict --out` takes for all that is in a folder."""
    with tempfile.TemporaryDirectory() as out:
        command = [str(model_dir), folder, "--out", f"{out}/answers.jsonl", "--nj", str(num_jobs)]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, "predict", *command], check=True, capture_output=True, text=True
        )
        wall = time.perf_counter() - start
    cpu, peak = done.stdout.split()
    return f"{wall:.0f} s wall, {cpu} s CPU, peak memory {peak} MiB"


_PROGRAM = """
import pathlib, re, resource, sys
from seq.cli import main
code = main(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which a child inherits from its parent.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text()).group(1)) // 1024
print(round(usage.ru_utime + usage.ru_stime, 1), peak)
sys.exit(code)
"""


def _write_long(path: Path, waveforms: list[np.ndarray], seconds: float, rng: np.random.Generator) -> None:
    rate = 44100
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16") as file:
        while file.frames < seconds * rate:
            # Linear interpolation is good enough to give the resampler its work.
            samples = waveforms[int(rng.integers(len(waveforms)))]
            positions = np.arange(int(len(samples) * rate / SAMPLING_RATE)) * SAMPLING_RATE / rate
            stretched = np.interp(positions, np.arange(len(samples)), samples)
            pause = 1e-3 * rng.standard_normal(int(rng.uniform(0.1, 1.5) * rate))
            file.write(np.stack([np.concatenate([stretched, pause])] * 2, axis=1))


def main() -> int:
    """Measure what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument("audio_dir", metavar="AUDIO_DIR")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--encoder", default="", help="folder of the model's pretrained encoder, for parity")
    parser.add_argument("--num-utterances", type=int, default=200)
    parser.add_argument("--long-seconds", type=float, default=3600.0)
    parser.add_argument("--num-files", type=int, default=20_000)
    parser.add_argument("--nj", type=int, default=1, help="threads, for long and many")
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        raise InputError(f"--only {options.only}: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    items = [item for item in expand([options.audio_dir]) if item.error is None]
    chosen = items[:: max(1, len(items) // options.num_utterances)][: options.num_utterances]
    if not chosen:
        raise InputError(f"{options.audio_dir} has no audio files")
    waveforms = [read_audio(item.path) for item in chosen]
    measures: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "parity": lambda: measure_parity(options.model, waveforms, options.encoder),
        "speed": lambda: measure_speed(options.model, waveforms),
        "start": lambda: measure_start(options.model, chosen[0].path),
        "long": lambda: measure_long(options.model, waveforms, options.long_seconds, options.nj),
        "many": lambda: measure_many(options.model, [item.path for item in chosen], options.num_files, options.nj),
    }
    print("| | |\n|---|---|")
    for part in parts:
        for name, value in measures[part]():
            print(f"| {name} | {value} |", flush=True)
    return 0


if __name__ == "__main__":
    run_main(main)

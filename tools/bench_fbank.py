#!/usr/bin/env python3
"""Time fbank against kaldi-native-fbank and openSMILE eGeMAPS, side by side in one run.

Usage:
    tools/bench_fbank.py --audio-dir FOLDER_OF_WAV_OR_FLAC [--num-files 300]

Inputs: audio files, read to 16 kHz mono beforehand, so that all rows but the first time extraction alone.
Outputs: one row per program to standard output. Times are CPU seconds of one process with one thread (so a busy
machine does not distort them), the best of three rounds; "x real time" is seconds of audio per CPU second.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    # Before numpy and torch are loaded: their libraries read this once.
    os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from seq.audio.reading import SAMPLING_RATE, read_audio
from seq.corpora.base import AUDIO_SUFFIXES
from seq.data.features import compute_fbank
from seq.errors import InputError
from seq.utils.script import run_main

Item = TypeVar("Item")

NUM_ROUNDS = 3


def cpu_seconds(function: Callable[[Item], object], items: list[Item]) -> float:
    """CPU seconds of `function` over all items, the best of three rounds."""
    seconds = []
    for _ in range(NUM_ROUNDS):
        start = time.process_time()
        for item in items:
            function(item)
        seconds.append(time.process_time() - start)
    return min(seconds)


def kaldi_native(samples: list[float]) -> np.ndarray:
    """(T, 80): the whole signal at once, then every frame; a list is what its binding converts fastest."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = -400
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(SAMPLING_RATE, samples)
    fbank.input_finished()
    return np.stack([fbank.get_frame(index) for index in range(fbank.num_frames_ready)])


def egemaps() -> Callable[[np.ndarray], object] | None:
    try:
        import opensmile
    except ImportError:
        return None
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )
    return lambda samples: smile.process_signal(samples, SAMPLING_RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--audio-dir", type=Path, required=True, help="folder with .wav or .flac files, at any depth")
    parser.add_argument("--num-files", type=int, default=300, help="files to use, spread over the folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(path for path in args.audio_dir.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not paths:
        raise InputError(f"--audio-dir {args.audio_dir} has no .wav or .flac files: pass a folder that has some")
    paths = paths[:: max(1, len(paths) // args.num_files)]
    signals = [read_audio(path) for path in paths]
    # Converted outside the timed part: its binding takes no array without converting every sample.
    lists = [samples.tolist() for samples in signals]
    seconds = sum(len(samples) for samples in signals) / SAMPLING_RATE

    extraction = cpu_seconds(compute_fbank, signals)
    rows: list[tuple[str, float | None]] = [
        ("ours, reading included", cpu_seconds(lambda path: compute_fbank(read_audio(path)), paths)),
        ("ours, extraction", extraction),
    ]
    differences: np.ndarray | None = None
    try:
        rows.append(("kaldi-native-fbank, extraction", cpu_seconds(kaldi_native, lists)))
        pairs = zip(signals, lists, strict=True)
        differences = np.concatenate([np.abs(compute_fbank(s) - kaldi_native(values)).ravel() for s, values in pairs])
    except ImportError:
        rows.append(("kaldi-native-fbank: not installed", None))
    smile = egemaps()
    name = "openSMILE eGeMAPS, extraction" if smile else "openSMILE eGeMAPS: not installed"
    rows.append((name, cpu_seconds(smile, signals) if smile else None))

    print(f"{len(paths)} files, {seconds:.0f} s of audio, one core, best of {NUM_ROUNDS} rounds")
    print(f"{'':32s} {'CPU s':>8s} {'x real time':>12s} {'ours is faster':>15s}")
    for name, spent in rows:
        if spent is None:
            print(name)
        else:
            print(f"{name:32s} {spent:8.3f} {seconds / spent:12.0f} {spent / extraction:14.2f}x")
    if differences is not None:
        print(
            f"largest difference to kaldi-native-fbank: {differences.max():.1e}, above 1e-3 in "
            f"{(differences > 1e-3).sum()} of {differences.size} values (see tests/data/test_features.py)"
        )


if __name__ == "__main__":
    run_main(main)

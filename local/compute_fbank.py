#!/usr/bin/env python3
"""Stage 2: log-mel filter banks of every utterance.

Usage:
    local/compute_fbank.py --conf conf/default.yaml --cuts data/manifests/ravdess_cuts.jsonl.gz \\
        --out data/fbank/ravdess_cuts.jsonl.gz --storage data/fbank/storage --nj 2

Inputs: --cuts of stage 1, and the audio that they name.
Outputs: --out, the same cuts with features; --storage, the features (one float32 .npy file each).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.data.features import prepare_features
from seq.recipe.arguments import add_conf_arguments, open_conf
from seq.unified import prepare as unified
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    add_conf_arguments(parser)
    parser.add_argument("--cuts", type=Path, required=True, help="cut manifest of stage 1")
    parser.add_argument("--out", type=Path, required=True, help="cut manifest to write (.jsonl.gz)")
    parser.add_argument("--storage", type=Path, required=True, help="folder of the features")
    parser.add_argument("--nj", type=int, default=1, help="processes, one thread each")
    args = parser.parse_args()
    conf = open_conf(args)
    if conf.unified.corpora:
        unified.merge_features(conf, args.cuts, args.out, args.storage)
    else:
        prepare_features(conf.features, args.cuts, args.out, args.storage, args.nj)


if __name__ == "__main__":
    run_main(main)

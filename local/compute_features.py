#!/usr/bin/env python3
"""Stage 2: what networks read of every utterance: log-mel filter banks, or what a pretrained encoder hears.

Usage:
    local/compute_features.py --conf conf/default.yaml --cuts data/manifests/ravdess_cuts.jsonl.gz \\
        --out data/fbank/ravdess_cuts.jsonl.gz --storage data/fbank/storage --nj 2

Inputs: --cuts of stage 1, and the audio that they name.
Outputs: --out, the same cuts with features; --storage, the features (.npy files); of an encoder encoder.json, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.data.features import prepare_features
from seq.recipe.arguments import add_conf_arguments, add_worker_arguments, chosen_workers, open_conf
from seq.unified import prepare as unified
from seq.utils.outputs import check_out_file, out_path
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    add_conf_arguments(parser)
    parser.add_argument("--cuts", type=Path, required=True, help="cut manifest of stage 1")
    parser.add_argument("--out", type=out_path, required=True, help="cut manifest to write (.jsonl.gz)")
    parser.add_argument("--storage", type=Path, required=True, help="folder of the features")
    add_worker_arguments(parser, "processes, one thread each")
    parser.add_argument("--device", default="auto", help="where an encoder hears: auto, cpu or cuda")
    args = parser.parse_args()
    check_out_file("--out", args.out, [args.conf, args.cuts])
    conf = open_conf(args)
    workers = chosen_workers(args)
    if conf.unified.corpora:
        unified.merge_features(conf, args.cuts, args.out, args.storage)
    elif conf.model.front_end == "pretrained":
        from seq.models.pretrained.cache import prepare_encoded
        from seq.train.device import pick_device

        prepare_encoded(conf, args.cuts, args.out, args.storage, workers, pick_device(args.device))
    else:
        prepare_features(conf.features, args.cuts, args.out, args.storage, workers)


if __name__ == "__main__":
    run_main(main)

#!/usr/bin/env python3
"""Stage 1: the verified corpus as a Lhotse cut manifest.

Usage:
    local/prepare_manifests.py --conf conf/default.yaml --out data/manifests/ravdess_cuts.jsonl.gz

Inputs: --corpus-json and --audio-table of stage 0, and the folder that they name (audio is not opened again).
Outputs: --out, one cut per utterance with its supervision.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.data.manifests import prepare_manifests
from seq.recipe.arguments import add_conf_arguments, open_conf
from seq.unified import prepare as unified
from seq.utils.outputs import check_out_file, out_path
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    add_conf_arguments(parser)
    parser.add_argument("--corpus-json", type=Path, default=Path("data/corpus.json"))
    parser.add_argument("--audio-table", type=Path, default=Path("data/audio.jsonl"))
    parser.add_argument("--out", type=out_path, required=True, help="cut manifest to write (.jsonl.gz)")
    args = parser.parse_args()
    check_out_file("--out", args.out, [args.conf, args.corpus_json, args.audio_table])
    conf = open_conf(args)
    if conf.unified.corpora:
        unified.merge_manifests(conf, args.out)
    else:
        prepare_manifests(conf, args.corpus_json, args.audio_table, args.out)


if __name__ == "__main__":
    run_main(main)

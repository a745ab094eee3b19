#!/usr/bin/env python3
"""Stage 3: the folds of a protocol, checked.

Usage:
    local/prepare_folds.py --conf conf/default.yaml --cuts data/manifests/ravdess_cuts.jsonl.gz \\
        --corpus-json data/corpus.json --protocol emobox --out-dir data/folds/emobox

Inputs: --cuts of stage 1, the protocol of the conf, and --corpus-json of stage 0, which knows of a partial
    copy, and of recordings that are there twice.
Outputs: --out-dir/fold_<k>.json, the utterance ids of train, valid and test; folds.json, which folds there are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.corpora.copies import read_copies
from seq.corpora.record import read_corpus_json
from seq.data.folds import prepare_folds
from seq.errors import InputError
from seq.recipe.arguments import add_conf_arguments, open_conf
from seq.tasks.predictions import ManifestRow
from seq.unified.folds import combine_folds
from seq.utils.files import read_jsonl
from seq.utils.outputs import check_out_place, out_path
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    add_conf_arguments(parser)
    parser.add_argument("--cuts", type=Path, required=True, help="cut manifest of stage 1")
    parser.add_argument("--corpus-json", type=Path, required=True, help="corpus.json of stage 0")
    parser.add_argument("--protocol", default=None, help="name of the protocol; default: the first of the conf")
    parser.add_argument("--out-dir", type=out_path, required=True)
    args = parser.parse_args()
    check_out_place("--out-dir", args.out_dir)
    conf = open_conf(args)
    if not args.cuts.exists():
        raise InputError(f"{args.cuts} does not exist: run stage 1 first")
    copies = read_copies(args.corpus_json)
    if conf.unified.corpora:
        combine_folds(conf, conf.protocol(args.protocol), args.cuts, args.out_dir, copies)
        return
    partial = read_corpus_json(args.corpus_json).get("partial", False)
    rows = (ManifestRow.from_dict(cut) for cut in read_jsonl(args.cuts))
    prepare_folds(conf.corpus.name, rows, conf.protocol(args.protocol), args.out_dir, partial, copies)


if __name__ == "__main__":
    run_main(main)

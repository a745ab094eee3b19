#!/usr/bin/env python3
"""Stage 7: score predictions.jsonl of every fold and seed.

Usage:   local/score_predictions.py --conf conf/default.yaml --cuts data/manifests/<corpus>_cuts.jsonl.gz \
             --folds-dir data/folds/<protocol> --exp-dir exp/<name> --out exp/<name>/scores.json
Inputs:  the cuts manifest, <folds-dir>/fold_<k>.json, <exp-dir>/fold_<k>/seed_<s>/predictions.jsonl, and where they
         exist valid_predictions.jsonl and run.json beside these, and corpus.json two folders above the manifest.
Outputs: <exp-dir>/scores.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.recipe.arguments import add_conf_arguments, open_conf
from seq.score.score import score_experiment
from seq.unified.score import score_corpora
from seq.utils.files import write_json
from seq.utils.outputs import check_out_file, out_path
from seq.utils.script import run_main


def numbers(text: str) -> list[int]:
    """ "1,2" as [1, 2]; nothing as []."""
    return [int(item) for item in text.split(",") if item.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_conf_arguments(parser)
    parser.add_argument("--protocol", default=None, help="protocol of the conf (default: its first)")
    parser.add_argument("--cuts", type=Path, required=True)
    parser.add_argument("--folds-dir", type=Path, required=True)
    parser.add_argument("--exp-dir", type=Path, required=True)
    parser.add_argument("--folds", type=numbers, default=[], help="for example 1,2 (default: all of the protocol)")
    parser.add_argument("--seeds", type=numbers, default=[0], help="for example 0,1,2")
    parser.add_argument("--command", default="", help="the command line that made the experiment, kept in scores.json")
    parser.add_argument("--out", type=out_path, required=True)
    args = parser.parse_args()
    read = [args.conf, args.cuts, *args.folds_dir.glob("*"), *args.exp_dir.glob("fold_*/seed_*/*")]
    check_out_file("--out", args.out, read)
    conf = open_conf(args)
    scores = score_experiment(
        conf,
        args.protocol or None,
        args.cuts,
        args.folds_dir,
        args.exp_dir,
        args.folds,
        args.seeds,
        args.command,
        args.cuts.parent.parent / "corpus.json",
    )
    if conf.unified.corpora:
        scores["corpora"] = score_corpora(conf, scores, args.cuts, args.folds_dir, args.exp_dir)
    write_json(args.out, scores)


if __name__ == "__main__":
    run_main(main)

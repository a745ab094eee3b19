#!/usr/bin/env python3
"""The classical baseline: functionals of openSMILE, or of our own fbank and pitch, and a linear SVM.

Usage:   local/run_baseline.py --recipe egs/ravdess [--features auto|compare|egemaps|own] [--select] [--protocol P] \\
             [--folds 1,2] [--seeds 0] [--nj N]
In:      a recipe prepared up to stage 3 (egs/<corpus>/run.sh --stop-stage 4)
Out:     egs/<corpus>/exp/baseline_<features>[-selected]_<protocol>/: scores.json and report.md, as of any other
         experiment, and fold_<k>/seed_<s>/{predictions,valid_predictions}.jsonl and run.json (what was chosen on valid)
"""

from __future__ import annotations

import shlex
import sys

from seq.data.fold_files import choose_folds
from seq.errors import InputError
from seq.recipe.arguments import open_recipe, parse_numbers, recipe_parser
from seq.recipe.files import experiment_name
from seq.report.report import write_report
from seq.score.score import score_experiment
from seq.studies.baseline import baseline_prefix, run_baseline
from seq.studies.functionals import choose_features
from seq.utils.files import write_json
from seq.utils.lock import reading
from seq.utils.script import run_main


def main() -> None:
    parser = recipe_parser(__doc__)
    parser.add_argument("--features", default="auto", help="auto: compare where opensmile is installed, own elsewhere")
    parser.add_argument(
        "--select", action="store_true", help="keep the best features of train; how many, valid chooses"
    )
    parser.add_argument("--nj", type=int, default=1, help="processes that compute functionals")
    parser.add_argument("--exp-name", default="", help="default: baseline_<features>[-selected]_<protocol>")
    args = parser.parse_args()
    features = choose_features(args.features)
    recipe = open_recipe(args)
    if not recipe.cuts.exists():
        raise InputError(f"{recipe.cuts} does not exist: run {recipe.folder}/run.sh --stop-stage 4 first")
    folds = choose_folds(recipe.folds_dir, [] if args.folds == "all" else parse_numbers(args.folds, "--folds"))
    seeds = parse_numbers(args.seeds, "--seeds")
    prefix = baseline_prefix(features, args.select)
    exp_dir = recipe.exp_dir(args.exp_name or experiment_name(prefix, recipe.protocol.name))
    command = shlex.join(["local/run_baseline.py", *sys.argv[1:]])
    with reading(recipe.data_dir):
        run_baseline(recipe, features, exp_dir, folds, seeds, args.nj, command, args.select)
        scores = score_experiment(
            recipe.conf,
            recipe.protocol.name,
            recipe.cuts,
            recipe.folds_dir,
            exp_dir,
            folds,
            seeds,
            command,
            recipe.corpus_json,
        )
    write_json(exp_dir / "scores.json", scores)
    print(write_report(exp_dir / "scores.json", exp_dir, exp_dir / "report.md"))
    print(f"report: {exp_dir / 'report.md'}")


if __name__ == "__main__":
    run_main(main)

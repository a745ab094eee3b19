#!/usr/bin/env python3
"""The figure with the epoch selected ON TEST, for comparison with older papers only; it is no result of ours.

Usage:   local/select_on_test.py --recipe egs/ravdess [--protocol P] [--tasks A,B] [--folds 1,2] [--seeds 0] [--nj N] \\
             [--device NAME] [--name short --set train.num_epochs=15 ...]
In:      a recipe prepared up to stage 4 (egs/<corpus>/run.sh --stop-stage 4)
Out:     egs/<corpus>/exp/<name>_<protocol>_selected_on_test/selected_on_test.{json,md}, apart from all other results
"""

from __future__ import annotations

import shlex
import sys

from seq.data.fold_files import choose_folds
from seq.errors import InputError
from seq.recipe.arguments import open_recipe, parse_numbers, recipe_parser
from seq.recipe.files import experiment_name, experiment_prefix
from seq.studies.selected_on_test import SUFFIX, select_on_test, selection_report
from seq.tasks.registry import parse_names
from seq.utils.files import write_text
from seq.utils.lock import reading
from seq.utils.script import run_main


def main() -> None:
    parser = recipe_parser(__doc__)
    parser.add_argument("--tasks", default="", help="heads to train (default: the default ones)")
    parser.add_argument("--name", default="", help="first part of the experiment's name (default: the model's)")
    parser.add_argument("--nj", type=int, default=1)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    recipe = open_recipe(args)
    if not recipe.features.exists():
        raise InputError(f"{recipe.features} does not exist: run {recipe.folder}/run.sh --stop-stage 4 first")
    tasks = parse_names(args.tasks)
    prefix = args.name or experiment_prefix(args.conf, recipe.conf.model_name)
    name = experiment_name(prefix, recipe.protocol.name, tasks)
    folds = choose_folds(recipe.folds_dir, [] if args.folds == "all" else parse_numbers(args.folds, "--folds"))
    command = shlex.join(["local/select_on_test.py", *sys.argv[1:]])
    seeds = parse_numbers(args.seeds, "--seeds")
    with reading(recipe.data_dir):
        report = selection_report(select_on_test(recipe, name, tasks, folds, seeds, args.nj, args.device, command))
    out = recipe.exp_dir(f"{name}_{SUFFIX}") / f"{SUFFIX}.md"
    write_text(out, report)
    print(report)
    print(f"report: {out}")


if __name__ == "__main__":
    run_main(main)

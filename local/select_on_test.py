#!/usr/bin/env python3
"""The figure with the epoch selected ON TEST, for comparison with older papers only; it is no result of ours.

Usage:   local/select_on_test.py --recipe egs/ravdess [--protocol P] [--tasks A,B] [--folds 1,2] [--seeds 0] [--nj N] \\
             [--device NAME] [--name short --set train.num_epochs=15 ...]
In:      a recipe prepared up to stage 4 (egs/<corpus>/run.sh --stop-stage 4)
Out:     egs/<corpus>/exp/<name>_<protocol>_selected_on_test/selected_on_test.{json,md}, apart from all other results
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from seq.arguments import parse_numbers, parse_tasks
from seq.conf import TASKS
from seq.errors import InputError, run_main
from seq.files import write_text
from seq.recipe import experiment_name, open_recipe
from seq.selected_on_test import SUFFIX, select_on_test, selection_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True, help="recipe folder, such as egs/ravdess")
    parser.add_argument("--conf", type=Path, default=None, help="conf file (default: the recipe's conf/default.yaml)")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--protocol", default="", help="protocol (default: the conf's first)")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--name", default="", help="first part of the experiment's name (default: the conf's)")
    parser.add_argument("--folds", default="all")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--nj", type=int, default=1)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    recipe = open_recipe(args.recipe, args.conf, args.overrides, args.protocol)
    if not recipe.fbank_cuts.exists():
        raise InputError(f"{recipe.fbank_cuts} does not exist: run {recipe.folder}/run.sh --stop-stage 4 first")
    tasks = parse_tasks(args.tasks)
    name = experiment_name(args.name or (args.conf.stem if args.conf else "default"), recipe.protocol.name, tasks)
    folds = recipe.choose_folds([] if args.folds == "all" else parse_numbers(args.folds, "--folds"))
    command = shlex.join(["local/select_on_test.py", *sys.argv[1:]])
    seeds = parse_numbers(args.seeds, "--seeds")
    report = selection_report(select_on_test(recipe, name, tasks, folds, seeds, args.nj, args.device, command))
    out = recipe.exp_dir(f"{name}_{SUFFIX}") / f"{SUFFIX}.md"
    write_text(out, report)
    print(report)
    print(f"report: {out}")


if __name__ == "__main__":
    run_main(main)

#!/usr/bin/env python3
"""The ablation over tasks: the main one, + each other default one, all; every row over the same folds.

Usage:   local/run_ablation.py --recipe egs/ravdess [--protocol P] [--folds 1,2] [--seeds 0,1] [--outer-seeds 0,1,2] \\
             [--rows outer] [--nj N] [--device NAME] [--cluster ADDRESS] [--name short --set train.num_epochs=15 ...]
In:      a recipe whose corpus stage 0 has found once (or can make or download)
Out:     egs/<corpus>/exp/<name>_<protocol>[_<tasks>]/ of every row, as its run.sh writes it, and
         egs/<corpus>/exp/<name>_<protocol>_ablation.md; what is finished is not trained again

On a cluster all rows run side by side.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from contextlib import ExitStack

from seq.conf import NO_WEIGHTS
from seq.errors import InputError
from seq.recipe.arguments import open_recipe, recipe_parser
from seq.recipe.children import run_side_by_side
from seq.recipe.files import experiment_prefix
from seq.studies.ablation import ablation_report, ablation_rows, labelled_tasks
from seq.utils.files import write_text
from seq.utils.script import run_main


def parse() -> argparse.Namespace:
    """The command line."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--name", default="", help="first part of the experiments' names (default: the model's)")
    parser.add_argument("--outer-seeds", default="", help="seeds of the first and the last row (default: --seeds)")
    parser.add_argument("--rows", choices=("all", "outer"), default="all", help="outer: the first and the last alone")
    parser.add_argument("--nj", default="")
    parser.add_argument("--cluster", default="", metavar="ADDRESS", help="as in run.sh: a Dask cluster that works")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--allow-partial", action="store_true", help="as in run.sh: the copy of the corpus is partial")
    return parser.parse_args()


def run_rows(commands: dict[str, list[str]], side_by_side: bool) -> int:
    """Run the commands of the rows; returns the exit code of the first that fails."""
    if side_by_side:
        return run_side_by_side(commands)
    codes = (subprocess.run(command, check=False).returncode for command in commands.values())
    return next((code for code in codes if code), 0)


def main() -> int:
    """Run every row by the recipe's runner, then write the table."""
    args = parse()
    changed = [text for text in args.overrides if text.partition("=")[0] not in NO_WEIGHTS]
    if changed and not args.name:
        raise InputError("--set needs --name NAME, so that experiments with the conf's own settings are kept")
    recipe = open_recipe(args)
    protocol = recipe.protocol.name
    prefix = args.name or experiment_prefix(args.conf, recipe.conf.model_name)
    common = [str(recipe.folder / "run.sh"), "--protocol", protocol]
    common += ["--conf", str(args.conf.resolve()), "--model", recipe.conf.model_name]
    common += ["--folds", args.folds, "--device", args.device]
    common += ["--nj", args.nj] if args.nj else []
    common += ["--allow-partial"] if args.allow_partial else []
    for override in args.overrides:
        common += ["--set", override]

    with ExitStack() as stack:
        if args.cluster:
            from seq.utils.cluster.client import open_scheduler

            common += ["--cluster", stack.enter_context(open_scheduler(args.cluster))]
        if status := subprocess.run([*common, "--stop-stage", "4"], check=False).returncode:
            return status
        rows = ablation_rows(labelled_tasks(recipe))
        outer = (rows[0], rows[-1])
        rows = list(outer) if args.rows == "outer" else rows
        commands = {}
        for row in rows:
            seeds = args.outer_seeds if row in outer and args.outer_seeds else args.seeds
            options = ["--seeds", seeds, "--tasks", ",".join(row.tasks), "--exp-name", row.exp_name(prefix, protocol)]
            if row.missing:
                print(f"{row.name}: not run, {row.missing}")
            else:
                commands[row.name] = [*common, *options]
        if status := run_rows(commands, bool(args.cluster)):
            return status
    report = ablation_report(recipe, rows, prefix, shlex.join(["local/run_ablation.py", *sys.argv[1:]]), changed)
    out = recipe.exp_dir(f"{prefix}_{protocol}_ablation.md")
    write_text(out, report)
    print(report, f"report: {out}", sep="\n")
    return 0


if __name__ == "__main__":
    run_main(main)

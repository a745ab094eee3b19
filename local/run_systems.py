#!/usr/bin/env python3
"""Systems of others beside ours, on the folds of a recipe: networks of local/conf, and functionals with an SVM.

Usage:   local/run_systems.py --recipe egs/ravdess [--protocol P] [--folds 1,2] [--seeds 0] [--nj N] [--device NAME] \\
             [--only mscnn-spu,baseline_own-selected] [--name short --set train.num_epochs=5 ...]
In:      a recipe whose corpus stage 0 has found once; its own model stands in the first row
Out:     egs/<corpus>/exp/<system>_<protocol>/ of each, as run.sh and run_baseline.py write it, and
         egs/<corpus>/exp/[<name>_]<protocol>_systems.md; what is finished is not trained again
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from seq.conf import NO_WEIGHTS
from seq.errors import InputError
from seq.recipe.arguments import open_recipe, recipe_parser
from seq.recipe.recipe import Recipe
from seq.studies.systems import System, choose_systems, systems_report
from seq.utils.files import write_text
from seq.utils.script import run_main


def parse() -> argparse.Namespace:
    """The command line."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--only", default="", metavar="SYSTEM,...", help="these alone, by their experiments' names")
    parser.add_argument("--name", default="", help="put before the experiments of networks that --set changes")
    parser.add_argument("--own-seeds", default="", help="seeds of the first row, ours (default: --seeds)")
    parser.add_argument("--nj", default="")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--allow-partial", action="store_true", help="as in run.sh: the copy of the corpus is partial")
    return parser.parse_args()


def command_of(system: System, args: argparse.Namespace, recipe: Recipe) -> list[str]:
    """What runs a system."""
    protocol = recipe.protocol.name
    seeds = args.own_seeds if args.own_seeds and system.model == recipe.conf.model_name else args.seeds
    common = ["--protocol", protocol, "--folds", args.folds, "--seeds", seeds, "--conf", str(args.conf.resolve())]
    common += ["--nj", args.nj] if args.nj else []
    if system.features:
        script = str(Path(__file__).with_name("run_baseline.py"))
        command = [sys.executable, script, "--recipe", str(recipe.folder), "--features", system.features, *common]
        return [*command, "--select"] if system.is_selected else command
    common += [word for text in args.overrides for word in ("--set", text)]
    common += ["--device", args.device, *(["--allow-partial"] if args.allow_partial else [])]
    return [str(recipe.folder / "run.sh"), *common, "--model", system.model,
            "--exp-name", system.exp_name(protocol, args.name)]  # fmt: skip


def main() -> int:
    """Run every system by what runs it, then write the table."""
    args = parse()
    changed = [text for text in args.overrides if text.partition("=")[0] not in NO_WEIGHTS]
    if changed and not args.name:
        raise InputError("--set needs --name NAME, so that experiments with the systems' own settings are kept")
    recipe = open_recipe(args)
    systems = choose_systems([name for name in args.only.split(",") if name], recipe.conf.model_name)
    for system in systems:
        if system.missing:
            print(f"{system.name}: not run, {system.missing}", flush=True)
            continue
        command = command_of(system, args, recipe)
        print(f"--- {shlex.join(command)}", flush=True)
        if status := subprocess.run(command, check=False).returncode:
            return status
    typed = shlex.join(["local/run_systems.py", *sys.argv[1:]])
    report = systems_report(recipe, systems, typed, changed, args.name)
    out = recipe.exp_dir("_".join([*([args.name] if args.name else []), recipe.protocol.name, "systems.md"]))
    write_text(out, report)
    print(report, f"report: {out}", sep="\n")
    return 0


if __name__ == "__main__":
    run_main(main)

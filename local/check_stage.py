#!/usr/bin/env python3
"""What local/run.sh asks about a recipe; milliseconds, no torch.

Usage:
  check_stage.py options --conf FILE
      Out: "name<TAB>help" per option that the corpus's reader declares.
  check_stage.py stages
      Out: "number<TAB>name<TAB>about" per stage.
  check_stage.py plan --conf FILE [--set K=V]... --protocol P --folds F --seeds S --tasks T --exp-name E
                [--corpus-json FILE]
      Out: "name=value" lines: corpus, protocol, folds, seeds, tasks, exp_name, and "reader.NAME" for every
           option of the reader with which stage 0 last ran, and "sibling=PATH" for every file that stages 0 to 3 of
           egs/unified take from other recipes.
  check_stage.py folds --folds F --folds-dir DIR
      Out: those of the folds asked for ("all", or numbers) that stage 3 has written, with commas.
  check_stage.py check --stage N --stamp FILE --conf FILE [--set K=V]... --protocol P [--input PATH]...
                 [--output PATH]... [--option NAME=VALUE]... [--tree-of FILE] [--folds F --seeds S] [--always WHY]
      Out: one line for people, then "@run" (or "@run<TAB>folds<TAB>seeds" per group) where there is work.
           {fold} and {seed} in paths stand for each unit of --folds and --seeds.
  check_stage.py record --stamp FILE [--folds F --seeds S]
      Marks as finished what `check` announced.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.conf import read_conf_file
from seq.data.fold_files import choose_folds
from seq.errors import InputError
from seq.recipe import plan, stages
from seq.recipe.siblings import raw_siblings
from seq.utils.script import run_main


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("options", "stages", "plan", "folds", "check", "record"))
    parser.add_argument("--conf", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    for name in ("protocol", "folds", "seeds", "tasks", "exp-name", "stamp", "always"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--stage", type=int)
    for name in ("input", "output", "option"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("--tree-of", type=Path)
    parser.add_argument("--folds-dir", type=Path)
    parser.add_argument("--corpus-json", type=Path, default=Path("data/corpus.json"))
    return parser.parse_args()


def paths(templates: list[str], unit: plan.Unit | None) -> list[Path]:
    """Paths with {fold} and {seed} filled in."""
    if unit is None:
        return [Path(template) for template in templates]
    return [Path(t.replace("{fold}", str(unit[0])).replace("{seed}", str(unit[1]))) for t in templates]


def check(args: argparse.Namespace) -> None:
    """Say whether a stage has to run and why, and announce what will."""
    stage = stages.STAGES[args.stage]
    values = stages.conf_values(read_conf_file(args.conf, args.overrides), args.protocol)
    options = dict(option.split("=", 1) for option in args.option)
    stale: list[plan.Unit | None] = []
    announced, lines = [], []
    all_units = plan.units(args.folds, args.seeds) if "{fold}" in args.stamp else [None]
    for unit in all_units:
        stamp = paths([args.stamp], unit)[0]
        outputs = paths(args.output, unit)
        try:
            new = stages.fingerprint(stage, values, paths(args.input, unit), options)
        except InputError as error:
            raise InputError(f"stage {stage.number} {stage.name}: input {error}") from error
        reason = args.always or stages.check(stamp, new, outputs, args.tree_of)
        if reason:
            stale.append(unit)
            announced.append((stamp, new, outputs, args.tree_of))
            lines.append(reason if unit is None or args.always else f"fold {unit[0]} seed {unit[1]}: {reason}")
    if not stale:
        print(f"stage {stage.number} {stage.name}: up to date")
        return
    # Only now is a full check of the conf worth its 0.3 s; a conf with a mistake must not cost a stamp.
    from seq.conf import load_conf

    load_conf(args.conf, args.overrides)
    for announcement in announced:
        stages.begin(*announcement)
    for line in dict.fromkeys(lines):
        print(f"stage {stage.number} {stage.name}: {line}")
    if stale == [None]:
        print("@run")
    for folds, seeds in plan.group_units([unit for unit in stale if unit is not None]):
        print(f"@run\t{folds}\t{seeds}")


def main() -> None:
    args = parse()
    if args.action == "options":
        for option in plan.reader_options(args.conf):
            print(f"{option.name}\t{option.help}")
    elif args.action == "stages":
        for stage in stages.STAGES:
            print(f"{stage.number}\t{stage.name}\t{stage.about}")
    elif args.action == "plan":
        raw = read_conf_file(args.conf, args.overrides)
        found = plan.resolve_plan(raw, args.conf, args.protocol, args.folds, args.seeds, args.tasks, args.exp_name)
        stages.conf_values(raw, found["protocol"])
        found.update({f"reader.{k}": v for k, v in plan.remembered_options(args.corpus_json).items()})
        for name, value in found.items():
            print(f"{name}={value}")
        for sibling in raw_siblings(raw):
            for path in sibling.inputs():
                print(f"sibling={path}")
    elif args.action == "folds":
        asked = [] if args.folds == "all" else [int(fold) for fold in args.folds.split(",")]
        print(",".join(map(str, choose_folds(args.folds_dir, sorted(set(asked))))))
    elif args.action == "check":
        check(args)
    else:
        for unit in plan.units(args.folds, args.seeds) if args.folds else [None]:
            stages.record(paths([args.stamp], unit)[0])


if __name__ == "__main__":
    run_main(main)

#!/usr/bin/env python3
"""Experiments under everyday changes of the recording: level, band, noise, babble, rooms, clipping, forms of files.

Usage:   local/test_robustness.py --recipe egs/ravdess --exp whisper-tiny.en-robust_emobox [--exp ANOTHER] \\
             [--folds 1,2] [--seeds 0] [--nj N] [--encoder DIR] [--part valid] [--results RESULTS.md]
In:      experiments of one protocol of a recipe, trained and decoded (stages 5 and 6)
Out:     per experiment, in egs/<corpus>/exp/<name>: robustness/test/fold_<k>/seed_<s>/<condition>.jsonl, which are not
         made again, and robustness.json; of all, in the first one's folder, robustness.md and figures/robustness.png.
         With --part valid, on which settings are chosen, these are called robustness_valid. With --results, that file
         gets the tables between <!-- results:robustness_<corpus> --> and <!-- end -->, docs/figures beside it the
         figure, and egs/<corpus>/results what stands behind them: commit all of it together
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from seq.conf import Conf, conf_from_dict
from seq.data.fold_files import choose_folds
from seq.errors import InputError
from seq.recipe.arguments import parse_numbers
from seq.recipe.recipe import Recipe
from seq.report.kept_results import FIGURES
from seq.studies.robustness import decode_conditions
from seq.studies.robustness_kept import keep_robustness
from seq.studies.robustness_report import CAPTION, draw, robustness_report
from seq.studies.robustness_scores import score_robustness
from seq.studies.robustness_types import result_name
from seq.train.experiment import Experiment
from seq.train.record import read_record
from seq.utils.files import read_json, write_json, write_text
from seq.utils.lock import reading
from seq.utils.markdown_text import replace_block
from seq.utils.outputs import out_path
from seq.utils.provenance import without_private_paths
from seq.utils.run_folder import RunFolder
from seq.utils.script import run_main


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True, help="recipe folder, such as egs/ravdess")
    parser.add_argument("--exp", action="append", required=True, metavar="NAME", help="experiment; once for each")
    parser.add_argument("--folds", default="all")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--nj", type=int, default=1, help="folds side by side")
    parser.add_argument("--encoder", metavar="DIR", help="pretrained encoder, if it has moved since training")
    parser.add_argument("--part", choices=("test", "valid"), default="test", help="which part of the folds")
    parser.add_argument("--results", type=out_path, default=None, help="Markdown file that gets the tables, too")
    return parser.parse_args()


def open_named(folder: Path, name: str, seeds: list[int]) -> tuple[Experiment, Recipe]:
    """An experiment of a recipe by its name, with the conf that it was trained with."""
    exp_dir = folder / "exp" / name
    conf_json = exp_dir / "conf.json"
    runs = [run for seed in seeds for run in RunFolder.finished(exp_dir, None, seed)]
    if not conf_json.is_file() or not runs:
        raise InputError(f"--exp {name}: {exp_dir} has no finished run of seed {seeds[0]}: train it first (stage 5)")
    conf: Conf = conf_from_dict(read_json(conf_json), str(conf_json))
    record = read_record(runs[0].run_json)
    recipe = Recipe(folder, conf, conf.protocol(record["protocol"]["name"]))
    lang, tasks = recipe.lang_dir, record["tasks"]
    return Experiment(conf, recipe.protocol, tasks, recipe.cuts, recipe.folds_dir, lang, exp_dir, "cpu"), recipe


def main() -> None:
    args = parse()
    if not (args.recipe / "run.sh").is_file():
        raise InputError(f"--recipe {args.recipe}: there is no run.sh; pass a recipe folder such as egs/ravdess")
    seeds = parse_numbers(args.seeds, "--seeds")
    opened = [open_named(args.recipe.resolve(), name, seeds) for name in dict.fromkeys(args.exp)]
    experiments, recipe = [experiment for experiment, _ in opened], opened[0][1]
    if len(protocols := sorted({experiment.protocol.name for experiment in experiments})) > 1:
        raise InputError(f"--exp: the experiments are of the protocols {', '.join(protocols)}: name those of one")
    folds = choose_folds(recipe.folds_dir, [] if args.folds == "all" else parse_numbers(args.folds, "--folds"))
    command = shlex.join(["local/test_robustness.py", *sys.argv[1:]])
    with reading(recipe.data_dir):
        decode_conditions(experiments, recipe.cuts, folds, seeds, args.nj, args.encoder, args.part)
    systems, name = [], result_name(args.part)
    for experiment in experiments:
        systems.append(score_robustness(experiment, folds, seeds, command, args.part))
        write_json(experiment.exp_dir / f"{name}.json", systems[-1])
    out = experiments[0].exp_dir / f"{name}.md"
    report = robustness_report(systems, command)
    write_text(out, report)
    draw(systems, experiments[0].exp_dir / f"figures/{name}.png")
    print(report)
    print(f"report: {out}")
    if args.results is not None:
        block = f"{name}_{systems[0]['corpus']}"
        shown = f"{FIGURES}/{block}.png"
        draw(systems, args.results.parent / shown)
        body = robustness_report(systems, without_private_paths(command), level=3)
        replace_block(args.results, block, f"{body}\n![{CAPTION}]({shown})")
        for experiment, system in zip(experiments, systems, strict=True):
            print(f"to be committed with {args.results}: {keep_robustness(experiment, system)}")


if __name__ == "__main__":
    run_main(main)

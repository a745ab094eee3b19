#!/usr/bin/env python3
"""What a test speaker's own clips do, with and without labels, for networks that never heard the speaker.

Usage:   local/run_enrolled.py --recipe egs/ravdess [--model whisper-tiny.en] [--protocol P] [--name PREFIX] \\
             [--seed 0] [--clips 0,2,8,24] [--labelled 1,2] [--draws 20] [--results RESULTS.md]
In:      a finished experiment of the recipe (egs/ravdess/run.sh) with its features
Out:     egs/<corpus>/exp/enrolled_<experiment>/enrolled.{json,md}: every draw's clips and answers, the table; what is
         done is not done again. With --results, that file gets the table between <!-- results:enrolled --> and
         <!-- end -->, and egs/<corpus>/results/enrolled_<experiment> what stands behind it: commit both together
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from seq.errors import InputError
from seq.recipe.arguments import add_conf_arguments, open_recipe, parse_numbers
from seq.recipe.files import experiment_name, experiment_prefix
from seq.studies.enrolled import Condition
from seq.studies.enrolled_report import PROTOCOL, TITLE, enrolled_block, enrolled_report, keep_enrolled
from seq.studies.enrolled_run import Enrolled, run_enrolled
from seq.utils.files import write_text
from seq.utils.lock import reading
from seq.utils.markdown_text import replace_block
from seq.utils.outputs import out_path
from seq.utils.script import run_main


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True, help="recipe folder, such as egs/ravdess")
    add_conf_arguments(parser, "conf (default: the recipe's conf/default.yaml)")
    parser.add_argument("--protocol", default="", help="protocol of the experiment (default: the conf's first)")
    parser.add_argument("--name", default="", help="first part of the experiment's name (default: the model's)")
    parser.add_argument("--seed", type=int, default=0, help="of the experiment's runs")
    parser.add_argument("--clips", default="0,2,8,24", help="how many clips without labels; 0 is always among them")
    parser.add_argument("--labelled", default="1,2", help="how many clips of each class with labels")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--results", type=out_path, default=None, help="Markdown file that gets the table, too")
    return parser.parse_args()


def main() -> None:
    """Run the study, then write its table."""
    args = parse()
    if args.draws < 1:
        raise InputError(f"--draws {args.draws}: one at least")
    clips = sorted({0, *parse_numbers(args.clips, "--clips")})
    labelled = [count for count in parse_numbers(args.labelled, "--labelled") if count]
    conditions = [*(Condition(count) for count in clips), *(Condition(count, True) for count in labelled)]
    recipe = open_recipe(args)
    prefix = args.name or experiment_prefix(args.conf, recipe.conf.model_name)
    experiment = recipe.exp_dir(experiment_name(prefix, recipe.protocol.name))
    out = recipe.exp_dir(f"{PROTOCOL}_{experiment.name}")
    command = shlex.join(["local/run_enrolled.py", *sys.argv[1:]])
    study = Enrolled(recipe, experiment, args.seed, conditions, args.draws, out, command)
    with reading(recipe.data_dir):
        result = run_enrolled(study)
    report = enrolled_report(result)
    write_text(out / f"{PROTOCOL}.md", report)
    print(report, f"report: {out / f'{PROTOCOL}.md'}", sep="\n")
    if args.results is not None:
        kept = keep_enrolled(out)
        replace_block(args.results, PROTOCOL, f"## {TITLE}\n\n{enrolled_block(result)}")
        print(f"to be committed with {args.results}: {kept}")


if __name__ == "__main__":
    run_main(main)

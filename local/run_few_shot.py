#!/usr/bin/env python3
"""What k labelled utterances a class do for speakers whom a trained experiment never heard: few-shot learning.

Usage:   local/run_few_shot.py --recipe egs/ravdess --target egs/nemo [--target-protocol P] [--shots 0,1,5,10,20] \\
             [--draws 20] [--seed 0] [--protocol P] [--name PREFIX] [--nj N] [--out DIR]
         local/run_few_shot.py --recipe egs/ravdess            # to the test speakers of its own folds
In:      a finished experiment of the recipe (egs/ravdess/run.sh), and a target that stage 2 has let hear by the same
         encoder, with folds (egs/nemo/run.sh --model whisper-tiny.en --stop-stage 4)
Out:     egs/<target>/exp/few_shot_<source>_<experiment>/few_shot.{json,md,png}: every draw's utterances and answers,
         the table, the curves; what is done is not done again
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from seq.errors import InputError
from seq.recipe.arguments import add_conf_arguments, open_recipe, parse_numbers
from seq.recipe.files import experiment_name, experiment_prefix
from seq.studies.few_shot_report import few_shot_report
from seq.studies.few_shot_run import FewShot, run_few_shot
from seq.tasks.registry import main_task
from seq.utils.files import write_text
from seq.utils.lock import reading
from seq.utils.script import run_main


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True, help="recipe folder of the source, such as egs/ravdess")
    add_conf_arguments(parser, "conf of the source (default: the recipe's conf/default.yaml)")
    parser.add_argument("--protocol", default="", help="protocol of the source (default: the conf's first)")
    parser.add_argument("--name", default="", help="first part of the experiment's name (default: the model's)")
    parser.add_argument("--target", type=Path, default=None, help="recipe folder of the target (default: the source)")
    parser.add_argument("--target-protocol", default="", help="its protocol (default: its conf's first)")
    parser.add_argument("--shots", default="0,1,5,10,20", help="labelled utterances a class")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the source's runs, and of what is trained here")
    parser.add_argument("--nj", type=int, default=1, help="processes that compute MFCC and prosody")
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def main() -> None:
    """Run the study, then write its table and its figure."""
    args = parse()
    if args.draws < 1:
        raise InputError(f"--draws {args.draws}: one at least")
    shots = parse_numbers(args.shots, "--shots")
    source = open_recipe(args)
    target = source
    if args.target is not None and args.target.resolve() != source.folder:
        asked = argparse.Namespace(recipe=args.target, conf=None, protocol=args.target_protocol,
                                   overrides=args.overrides, model=source.conf.model_name)  # fmt: skip
        target = open_recipe(asked)
    elif args.target_protocol not in ("", source.protocol.name):
        raise InputError("--target-protocol: within one corpus, the target's protocol is the source's")
    prefix = args.name or experiment_prefix(args.conf, source.conf.model_name)
    name = experiment_name(prefix, source.protocol.name)
    out = args.out or target.exp_dir(f"few_shot_{source.conf.corpus.name}_{name}")
    command = shlex.join(["local/run_few_shot.py", *sys.argv[1:]])
    study = FewShot(source, target, source.exp_dir(name), args.seed, shots, args.draws, out, args.nj, command)
    with reading(source.data_dir), reading(target.data_dir):
        result = run_few_shot(study)
    from seq.report.plots_few_shot import plot_few_shot

    report = few_shot_report(result)
    write_text(out / "few_shot.md", report)
    title = f"{source.conf.corpus.name} to {target.conf.corpus.name}: {result['num_speakers']} unheard speakers"
    plot_few_shot(result["rows"], result["shots"], 1 / len(result["classes"]), main_task(), title, out / "few_shot.png")
    print(report, f"report: {out / 'few_shot.md'}", sep="\n")


if __name__ == "__main__":
    run_main(main)

#!/usr/bin/env python3
"""Stage 5: train every fold with every seed; what was stopped goes on.

Usage:
    local/train_model.py --conf conf/default.yaml --cuts data/fbank/ravdess_cuts.jsonl.gz \\
        --folds-dir data/folds/emobox --lang-dir data/lang_phone --exp-dir exp/scratch_emobox --folds 1,2 --nj 2
    local/train_model.py --gpus 2 ...      (by torchrun: two GPUs train a network together, folds one after the other)

In:  the cuts with fbank, the folds, the lang folder
Out: exp/<name>/conf.json; per run, in exp/<name>/fold_<k>/seed_<s>: epoch-N.pt, last, best, history.jsonl, run.json,
     train.log, tensorboard/
"""

from __future__ import annotations

from seq.recipe.arguments import chosen_workers, experiment_parser, open_experiment
from seq.train.launch import is_rank, launch
from seq.train.run import train_experiment
from seq.utils.script import run_main


def main() -> int:
    """Parse arguments and train."""
    parser = experiment_parser(__doc__)
    parser.add_argument("--gpus", type=int, default=1, help="GPUs, or CPU processes, that train one network")
    args = parser.parse_args()
    experiment, folds, seeds = open_experiment(args)
    if args.gpus > 1 and not is_rank():
        return launch(args.gpus)
    train_experiment(experiment, folds, seeds, chosen_workers(args))
    return 0


if __name__ == "__main__":
    run_main(main)

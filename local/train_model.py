#!/usr/bin/env python3
"""Stage 5: train every fold with every seed; what was stopped goes on.

Usage:
    local/train_model.py --conf conf/default.yaml --cuts data/fbank/ravdess_cuts.jsonl.gz \\
        --folds-dir data/folds/emobox --lang-dir data/lang_phone --exp-dir exp/scratch_emobox --folds 1,2 --nj 2
    torchrun --nproc-per-node 2 local/train_model.py ...      (several GPUs, folds one after the other)

In:  the cuts with fbank, the folds, the lang folder
Out: exp/<name>/conf.json; per run, in exp/<name>/fold_<k>/seed_<s>: epoch-N.pt, last, best, history.jsonl, run.json,
     train.log, tensorboard/
"""

from seq.recipe.arguments import chosen_workers, experiment_parser, open_experiment
from seq.train.run import train_experiment
from seq.utils.script import run_main


def main() -> None:
    """Parse arguments and train."""
    args = experiment_parser(__doc__).parse_args()
    experiment, folds, seeds = open_experiment(args)
    train_experiment(experiment, folds, seeds, chosen_workers(args))


if __name__ == "__main__":
    run_main(main)

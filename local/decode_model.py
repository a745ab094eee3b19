#!/usr/bin/env python3
"""Stage 6: decode the valid and test parts of every fold and seed with the checkpoint that valid chose.

Usage:
    local/decode_model.py --conf conf/default.yaml --cuts data/fbank/ravdess_cuts.jsonl.gz \\
        --folds-dir data/folds/emobox --lang-dir data/lang_phone --exp-dir exp/default_emobox --folds 1,2

In:  exp/<name>/fold_<k>/seed_<s>/{best,epoch-N.pt}, the cuts with fbank, the folds, the lang folder
Out: exp/<name>/fold_<k>/seed_<s>/{predictions.jsonl,valid_predictions.jsonl}
"""

from seq.arguments import experiment_parser, open_experiment
from seq.errors import run_main
from seq.experiment import decode_experiment


def main() -> None:
    """Parse arguments and decode."""
    args = experiment_parser(__doc__).parse_args()
    experiment, folds, seeds = open_experiment(args)
    decode_experiment(experiment, folds, seeds, args.nj)


if __name__ == "__main__":
    run_main(main)

#!/usr/bin/env python3
"""Stage 6: decode the valid and test parts of every fold and seed with the checkpoint that valid chose.

--epoch, --iter, --avg and --use-averaged-model mean what they mean in icefall; tables call what they give post-hoc.

Usage:
    local/decode_model.py --conf conf/default.yaml --cuts data/fbank/ravdess_cuts.jsonl.gz \\
        --folds-dir data/folds/emobox --lang-dir data/lang_phone --exp-dir exp/scratch_emobox --folds 1,2

In:  exp/<name>/fold_<k>/seed_<s>/{best,epoch-N.pt}, the cuts with fbank, the folds, the lang folder
Out: exp/<name>/fold_<k>/seed_<s>/{predictions.jsonl,valid_predictions.jsonl,decode.json}
"""

from seq.decode.run import decode_experiment
from seq.recipe.arguments import chosen_workers, experiment_parser, open_experiment, parse_choice
from seq.utils.script import run_main


def main() -> None:
    """Parse arguments and decode."""
    parser = experiment_parser(__doc__)
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--epoch", type=int, default=None, help="decode epoch-N.pt (default: the epoch that valid chose)")
    end.add_argument("--iter", type=int, default=None, help="decode the last checkpoint-<batch>.pt up to batch N")
    parser.add_argument("--avg", type=int, default=None, help="checkpoints to average (default: train.average_epochs)")
    parser.add_argument("--use-averaged-model", default="true", metavar="true|false", help="average over batches")
    args = parser.parse_args()
    experiment, folds, seeds = open_experiment(args)
    decode_experiment(experiment, folds, seeds, chosen_workers(args), parse_choice(args))


if __name__ == "__main__":
    run_main(main)

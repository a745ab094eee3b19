#!/usr/bin/env python3
"""Stage 8: Markdown tables and figures from scores.json; prints the main table.

Usage:   local/report_scores.py --scores exp/<name>/scores.json --exp-dir exp/<name> --out exp/<name>/report.md \
             [--results RESULTS.md] [--against exp/<other>/scores.json]
Inputs:  scores.json of stage 7, and of <exp-dir>/fold_<k>/seed_<s>/ history.jsonl, predictions.jsonl,
         valid_predictions.jsonl and embeddings.npz where there are any
Outputs: report.md, report.html (one page with its figures inside) and <exp-dir>/figures/*.png; with --results, the
         block between <!-- results:<exp path> --> and <!-- end --> of that file (appended where it has none), and
         egs/<corpus>/results/<name>/ scores.json and predictions.jsonl.gz, to be committed with that file
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.report.kept_results import keep_results
from seq.report.report import Additions, write_report
from seq.score.types import read_scores
from seq.studies.robustness_report import robustness_additions
from seq.unified.report import corpora_additions
from seq.utils.outputs import check_out_file, out_path
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--exp-dir", type=Path, required=True)
    parser.add_argument("--out", type=out_path, required=True)
    parser.add_argument("--results", type=out_path, default=None, help="Markdown file that gets the tables, too")
    parser.add_argument("--against", type=Path, default=None, help="scores.json of a system to test against, paired")
    args = parser.parse_args()
    read = [args.scores, *([args.against] if args.against else []), *args.exp_dir.glob("fold_*/seed_*/*")]
    for option, path in (("--out", args.out), ("--results", args.results)):
        if path is not None:
            check_out_file(option, path, read)
    # First, so that no table is printed whose predictions are not there.
    kept = keep_results(args.scores, args.exp_dir) if args.results else None
    corpora, tested = corpora_additions(read_scores(args.scores), args.exp_dir), robustness_additions(args.exp_dir)
    additions = Additions([*corpora.sections, *tested.sections], [*corpora.figures, *tested.figures])
    print(write_report(args.scores, args.exp_dir, args.out, args.results, args.against, additions))
    print(f"report: {args.out}")
    if kept:
        print(f"to be committed with {args.results}: {kept}")


if __name__ == "__main__":
    run_main(main)

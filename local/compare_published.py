#!/usr/bin/env python3
"""Ours beside the paper's and EmoBox's published figures for CASIA, ESD and IEMOCAP, each with its protocol.

Usage:   local/compare_published.py --out FILE.md [--egs egs] [--with-ravdess] \\
             [--scores casia:loso=egs/casia/exp/other/scores.json ...]
In:      egs/<corpus>/exp/scratch_<protocol>/scores.json where there is one; the rest is "not run"
Out:     --out, Markdown tables
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.errors import InputError
from seq.studies.published import COMPARED, comparison
from seq.utils.files import write_text
from seq.utils.outputs import check_out_file, out_path
from seq.utils.script import run_main


def parse_scores(text: str) -> tuple[tuple[str, str], Path]:
    """`corpus:protocol=FILE`. Raises InputError for another form, an unknown protocol or a missing file."""
    key, _, path = text.partition("=")
    corpus, _, protocol = key.partition(":")
    known = [(item.corpus, name) for item in COMPARED for name, _ in item.protocols]
    if (corpus, protocol) not in known:
        choices = ", ".join(f"{corpus}:{name}" for corpus, name in known)
        raise InputError(f"--scores {text}: write it as corpus:protocol=FILE, with one of {choices}")
    if not Path(path).is_file():
        raise InputError(f"--scores {text}: {path} does not exist: score the experiment first (stage 7)")
    return (corpus, protocol), Path(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--egs", type=Path, default=Path(__file__).resolve().parent.parent / "egs")
    parser.add_argument("--scores", action="append", default=[], metavar="CORPUS:PROTOCOL=FILE")
    parser.add_argument("--with-ravdess", action="store_true", help="RAVDESS too, which the paper has not")
    parser.add_argument("--out", type=out_path, required=True)
    args = parser.parse_args()
    scores = dict(parse_scores(text) for text in args.scores)
    check_out_file("--out", args.out, scores.values())
    report = comparison(args.egs, scores, args.with_ravdess)
    write_text(args.out, report)
    print(report)


if __name__ == "__main__":
    run_main(main)

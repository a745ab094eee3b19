#!/usr/bin/env python3
"""Make a synthetic corpus of any size and seed, in CASIA's tree; the same settings give the same bytes.

Usage:   tools/synth_corpus.py --out DIR [--seed 1] [--speakers 4] [--sentences 24] [--nj 2]
Inputs:  none (espeak-ng comes with the package espeakng-loader)
Outputs: DIR/<speaker>/<emotion>/201.wav ..., DIR/transcripts.txt, DIR/speakers.tsv, DIR/intensities.tsv
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq.errors import run_main
from seq.synthetic_corpus import Settings, make_corpus


def main() -> None:
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--speakers", type=int, default=default.speakers, help="women and men in turn")
    parser.add_argument("--sentences", type=int, default=default.sentences)
    parser.add_argument("--nj", type=int, default=2, help="processes; the result does not depend on it")
    args = parser.parse_args()
    make_corpus(args.out, Settings(args.seed, args.speakers, args.sentences), args.nj)


if __name__ == "__main__":
    run_main(main)

#!/usr/bin/env python3
"""Make a synthetic corpus of any size and seed, or a miniature in the tree and the coding of a real corpus.

Usage:   tools/synth_corpus.py --out DIR [--seed 1] [--speakers 4] [--sentences 24] [--nj 2]
         tools/synth_corpus.py --layout casia|cremad|emodb|esd|iemocap|mead|nemo|ravdess|seqd --out DIR [--seed 1]
Inputs:  none (espeak-ng comes with the package espeakng-loader)
Outputs: without --layout, the corpus of egs/synth, in CASIA's tree: DIR/<speaker>/<emotion>/201.wav ...,
         DIR/transcripts.txt, DIR/speakers.tsv, DIR/intensities.tsv; the same settings give the same bytes.
         With --layout, a few utterances per speaker and emotion in that corpus's tree, its traps included, and
         DIR/miniature.yaml: egs/<layout>/run.sh --corpus-dir DIR --conf DIR/miniature.yaml runs the recipe on it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq.corpora.miniature import LAYOUTS, write_miniature
from seq.errors import InputError
from seq.synth.corpus import Settings, make_corpus
from seq.utils.outputs import check_out_place, out_path
from seq.utils.script import run_main

RECIPES = Path(__file__).resolve().parent.parent / "egs"


def main() -> None:
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=out_path, required=True)
    parser.add_argument("--layout", choices=LAYOUTS, help="a miniature of this corpus")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--speakers", type=int, help=f"women and men in turn (default: {default.speakers})")
    parser.add_argument("--sentences", type=int, help=f"default: {default.sentences}")
    parser.add_argument("--nj", type=int, default=2, help="processes; the result does not depend on it")
    args = parser.parse_args()
    check_out_place("--out", args.out)
    if args.layout is None:
        speakers = default.speakers if args.speakers is None else args.speakers
        sentences = default.sentences if args.sentences is None else args.sentences
        make_corpus(args.out, Settings(args.seed, speakers, sentences), args.nj)
        return
    if args.speakers is not None or args.sentences is not None:
        raise InputError("--layout decides on speakers and sentences: leave out --speakers and --sentences")
    write_miniature(args.layout, args.out, RECIPES / args.layout / "conf/default.yaml", args.seed)


if __name__ == "__main__":
    run_main(main)

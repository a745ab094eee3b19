#!/usr/bin/env python3
"""EmoBox's listings of a corpus as a protocol of its recipe.

Usage:   tools/import_emobox.py LISTING... [--conf egs/ravdess/conf/default.yaml] [--cuts MANIFEST] [--out FILE]
Inputs:  LISTING, data/<corpus>/fold_<k>/<corpus>_<part>_fold_<k>.jsonl of github.com/emo-box/EmoBox, of all folds and
         parts; the recipe's conf; its manifest, which stage 1 writes
Outputs: --out, the conf with this protocol instead of its own (default: emobox.yaml beside it), for run.sh --conf
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from seq.data.emobox import import_listings
from seq.utils.outputs import out_path
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("listings", metavar="LISTING", type=Path, nargs="+", help="a .jsonl file of EmoBox")
    parser.add_argument("--conf", type=Path, help="of the corpus's recipe (default: that called as the listings say)")
    parser.add_argument("--cuts", type=Path, help="manifest of stage 1 (default: the recipe's)")
    parser.add_argument("--out", type=out_path, help="the conf to write (default: emobox.yaml beside --conf)")
    parser.add_argument("--allow-partial", action="store_true", help="leave out what the copy of the corpus lacks")
    args = parser.parse_args()
    import_listings(args.listings, args.conf, args.cuts, args.out, args.allow_partial)


if __name__ == "__main__":
    run_main(main)

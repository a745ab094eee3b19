#!/usr/bin/env python3
"""Stage 4: the phones of every text, and the token table, word list and lexicon that belong to them.

Usage:   local/prepare_lang.py --conf conf/default.yaml --cuts data/manifests/casia_cuts.jsonl.gz \\
             --lang-dir data/lang_phone
Inputs:  the cuts of stage 1
Outputs: tokens.txt, words.txt, lexicon.txt, L.pt where k2 imports (icefall's formats), and text
         ("utterance-id phone phone ...") in --lang-dir
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from seq.errors import InputError
from seq.lang.lexicon import TRANSDUCER, prepare_lang, read_lexicon_arcs
from seq.lang.tokens import TokenTable
from seq.recipe.arguments import add_conf_arguments, open_conf
from seq.utils.outputs import check_out_place, out_path
from seq.utils.script import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_conf_arguments(parser)
    parser.add_argument("--cuts", type=Path, required=True)
    parser.add_argument("--lang-dir", type=out_path, required=True)
    args = parser.parse_args()
    check_out_place("--lang-dir", args.lang_dir)
    unit = open_conf(args).lang.unit
    num_texts = prepare_lang(args.cuts, args.lang_dir, unit)
    arcs = read_lexicon_arcs(args.lang_dir)
    if arcs and importlib.util.find_spec("k2") is not None:
        write_transducer(arcs, args.lang_dir / TRANSDUCER)
    if num_texts == 0:
        print(f"{args.lang_dir}: the corpus has no text, so the phone task is masked")
    else:
        num_tokens = len(TokenTable.read(args.lang_dir / "tokens.txt"))
        print(
            f"{args.lang_dir}: {num_texts} utterances with text, {num_tokens} tokens with the blank and the unknown one"
        )


def write_transducer(arcs: list[tuple[int, int, int, int]], path: Path) -> None:
    """Write the lexicon for icefall; a k2 that does not import costs that file alone."""
    # torch takes seconds to import, and this stage needs it for nothing else.
    from seq.train.ctc import write_lexicon_fst

    try:
        write_lexicon_fst(arcs, path)
    except InputError as error:
        print(f"{path.parent}: no {path.name}, which icefall wants: {error}", file=sys.stderr)


if __name__ == "__main__":
    run_main(main)

#!/usr/bin/env python3
"""Stage 0: find, download or make the corpus; count it; open every audio file.

Usage:
    local/prepare_corpus.py --conf conf/default.yaml --corpus-dir DIR --nj 2

Inputs: the corpus below --corpus-dir; without it, the one that --out names, or one that is downloaded or made.
Outputs: --out (corpus, root, counts) and --audio-table (rate, channels, length, silence of every audio file).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seq.corpora.base import get_reader
from seq.corpora.verify import prepare_corpus
from seq.recipe.arguments import add_conf_arguments, add_worker_arguments, chosen_workers, open_conf
from seq.unified import prepare as unified
from seq.utils.outputs import check_out_file, out_path
from seq.utils.script import run_main


def make_parser(add_help: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False, add_help=add_help)
    add_conf_arguments(parser)
    parser.add_argument("--corpus-dir", default="", help="folder of the corpus")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="a corpus made here goes to DIR/corpus")
    parser.add_argument("--out", type=out_path, default=Path("data/corpus.json"))
    parser.add_argument("--audio-table", type=out_path, default=Path("data/audio.jsonl"))
    add_worker_arguments(parser, "processes that open audio")
    parser.add_argument("--allow-partial", action="store_true", help="go on where utterances are missing")
    return parser


def main() -> None:
    # The options that only this corpus needs are declared by its reader, which the conf names.
    known, _ = make_parser(add_help=False).parse_known_args()
    conf = open_conf(known)
    parser = make_parser(add_help=True)
    reader_options = get_reader(conf.corpus.reader).options
    for option in reader_options:
        parser.add_argument(f"--{option.name}", default="", help=option.help)
    args = parser.parse_args()
    options = {option.name: getattr(args, option.name.replace("-", "_")) for option in reader_options}
    for name, path in (("--out", args.out), ("--audio-table", args.audio_table)):
        check_out_file(name, path, [args.conf])
    if conf.unified.corpora:
        unified.prepare_corpus(conf, args.data_dir, args.out, args.audio_table)
        return
    workers = chosen_workers(args)
    prepare_corpus(
        conf, args.corpus_dir, args.data_dir, args.out, args.audio_table, workers, args.allow_partial, options
    )


if __name__ == "__main__":
    run_main(main)

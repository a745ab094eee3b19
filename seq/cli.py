"""The `speecheq` command: use what was trained.

speecheq export EXP --out DIR        a run or an experiment becomes a model folder
speecheq predict [MODEL] PATH...     emotion, intensity, gender and phones of anyone's audio, or of a microphone
speecheq finetune MODEL --corpus CSV --out DIR   go on training on one's own labelled files
speecheq enroll MODEL --speaker NAME PATH...     know a speaker from their own recordings
speecheq demo [MODEL]                the same on a local web page
speecheq labels [CORPUS...]          what every corpus's labels become: category, intensity, counts
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from seq import __version__
from seq.finetune.command import add_finetune
from seq.finetune.enroll_command import add_enroll
from seq.runtime.command import add_predict
from seq.utils.option_types import positive_float
from seq.utils.outputs import out_path
from seq.utils.script import run_main


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="speecheq", description="Emotion, its intensity, gender and phones of speech.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"speecheq {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_export(commands)
    add_predict(commands)
    add_finetune(commands)
    add_enroll(commands)
    _add_demo(commands)
    _add_labels(commands)
    options, more = parser.parse_known_args(arguments)
    # Paths may also come after an option: argparse itself takes only those that come together.
    if more and (not hasattr(options, "paths") or any(word.startswith("-") and word != "-" for word in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if more:
        options.paths = [*options.paths, *more]
    options.command = shlex.join(["speecheq", *(sys.argv[1:] if arguments is None else arguments)])
    return int(options.run(options))


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("export", help="write a model folder from a trained run", allow_abbrev=False)
    parser.add_argument("exp", metavar="EXP", type=Path, help="exp/<name>/fold_<k>/seed_<s>, or exp/<name>")
    parser.add_argument("--out", metavar="DIR", type=out_path, required=True, help="the model folder to write")
    parser.add_argument("--fold", type=int, help="below exp/<name>: a run of this fold (default: best on valid)")
    parser.add_argument("--seed", type=int, help="below exp/<name>: a run of this seed")
    parser.add_argument("--cuts", type=Path, help="manifest whose audio gives the norms of --describe")
    parser.add_argument("--int8", action="store_true", help="matrices of 8 bits: a third of the size, and quicker")
    parser.add_argument("--encoder", metavar="DIR", help="the pretrained encoder, if it is no more where it was")
    parser.add_argument(
        "--keep-all", action="store_true", help="keep phones even where most are wrong on sentences never heard"
    )
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from seq.export.notices import notices
    from seq.export.run import export_run, find_run

    run_dir = find_run(options.exp, options.fold, options.seed)
    description = export_run(run_dir, options.out, options.cuts, options.int8, options.encoder, options.keep_all)
    for line in notices(description):
        print(line)
    print(f"{options.out}: {run_dir}; try: speecheq predict {options.out} recording.wav")
    return 0


def _add_labels(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("labels", help="print what every corpus's labels become", allow_abbrev=False)
    parser.add_argument("corpora", nargs="*", metavar="CORPUS", help="recipes to show (default: all)")
    parser.add_argument("--egs", type=Path, help="folder of the recipes (default: that of the repository)")
    parser.add_argument("--format", choices=("markdown", "tsv"), default="markdown")
    parser.set_defaults(run=_labels)


def _labels(options: argparse.Namespace) -> int:
    from seq.corpora.labels_table import print_labels

    print_labels(options.corpora, options.egs, options.format)
    return 0


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="a local web page: record or upload, see the answer",
        description="Serves one page until Ctrl-C. Recordings stay on this machine and are deleted once judged.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=Path,
        nargs="?",
        help="a model folder (default: the one that comes with it)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=7860, help="0 takes a free one (default: 7860)")
    parser.add_argument(
        "--max-mb", metavar="MIB", type=positive_float, default=50.0, help="largest upload (default: 50)"
    )
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from seq.demo.server import serve
    from seq.runtime import load_model

    serve(load_model(options.model), options.host, options.port, options.max_mb)
    return 0


def run() -> NoReturn:
    """Entry point of the command."""
    run_main(main)


if __name__ == "__main__":
    run()

"""The `speecheq` command: use what was trained.

speecheq export EXP --out DIR        a run or an experiment becomes a model folder
speecheq predict MODEL PATH...       emotion, intensity, gender and phones of anyone's audio
speecheq finetune MODEL --corpus CSV --out DIR   go on training on one's own labelled files
speecheq demo MODEL                  the same on a local web page
speecheq labels [CORPUS...]          what every corpus's labels become: category, intensity, counts
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from seq import __version__
from seq.errors import InputError
from seq.finetune.command import add_finetune
from seq.utils.outputs import check_out_file, out_path
from seq.utils.script import run_main

if TYPE_CHECKING:
    from seq.runtime.batch import Outcome
    from seq.runtime.model import Model

FAILED_EXIT_CODE = 1


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="speecheq", description="Emotion, its intensity, gender and phones of speech.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"speecheq {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_export(commands)
    _add_predict(commands)
    add_finetune(commands, _positive_int, _positive_float)
    _add_demo(commands)
    _add_labels(commands)
    options = parser.parse_args(arguments)
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
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from seq.export.model_card import notices
    from seq.export.run import export_run, find_run

    run_dir = find_run(options.exp, options.fold, options.seed)
    description = export_run(run_dir, options.out, options.cuts, options.int8, options.encoder)
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


def _add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "predict",
        help="judge recordings",
        description="One line per recording, in order. A recording that cannot be judged gives a line with `error`; "
        "the exit code is then 1.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a model folder, written by speecheq export")
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="audio files, folders, wav.scp, Lhotse manifests (.jsonl, .jsonl.gz: recordings or cuts), "
        "or - for audio from standard input",
    )
    parser.add_argument("--format", choices=("json", "csv", "table"), default="json", help="JSON lines by default")
    parser.add_argument("--out", metavar="FILE", type=out_path, help="write there instead of to standard output")
    parser.add_argument("--describe", action="store_true", help="add one sentence on how it was said")
    parser.add_argument("--jobs", type=_positive_int, default=_num_cpus(), help="threads (default: %(default)s)")
    parser.add_argument(
        "--batch-seconds", type=_positive_float, default=60.0, help="speech per run of the network (default: 60)"
    )
    parser.add_argument(
        "--every", metavar="SECONDS", type=_positive_float, default=0.0, help="with -: an estimate so often"
    )
    parser.add_argument(
        "--raw", metavar="HZ", type=_positive_int, help="with -: 16-bit little-endian mono samples without a header"
    )
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from seq.runtime import load_model
    from seq.runtime.output import Writer

    if "-" in options.paths and len(options.paths) > 1:
        raise InputError("- (standard input) cannot be mixed with other paths: predict them in two commands")
    if options.paths != ["-"] and (options.every or options.raw):
        raise InputError("--every and --raw are for standard input: pass - as the path, or leave them out")
    if options.out is not None:
        check_out_file("--out", options.out, _inputs(options.paths))
    model = load_model(options.model, batch_seconds=options.batch_seconds)
    num_failed = 0
    with _open_output(options.out) as stream:
        writer = Writer(stream, options.format, model.catalogue)
        for outcome, partial in _outcomes(model, options):
            writer.write(outcome, partial)
            num_failed += outcome.result is None
    if num_failed:
        print(f"{num_failed} of the recordings could not be judged: see their lines", file=sys.stderr)
    return FAILED_EXIT_CODE if num_failed else 0


def _inputs(paths: list[str]) -> Iterator[str | int]:
    """What `predict` reads: lists and the recordings in them, or the descriptor of standard input."""
    from seq.runtime.inputs import expand

    if paths == ["-"]:
        yield sys.stdin.fileno()
        return
    yield from paths
    yield from (item.path for item in expand(paths))


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="a local web page: record or upload, see the answer",
        description="Serves one page until Ctrl-C. Recordings stay on this machine and are deleted once judged.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a model folder, written by speecheq export")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=7860, help="0 takes a free one (default: 7860)")
    parser.add_argument(
        "--max-mb", metavar="MIB", type=_positive_float, default=50.0, help="largest upload (default: 50)"
    )
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from seq.demo.server import serve
    from seq.runtime import load_model

    serve(load_model(options.model), options.host, options.port, options.max_mb)
    return 0


def _outcomes(model: Model, options: argparse.Namespace) -> Iterator[tuple[Outcome, bool]]:
    """Outcomes, each with whether it is only an estimate."""
    from seq.runtime.batch import Outcome, predict_items
    from seq.runtime.inputs import Item, expand

    if options.paths == ["-"]:
        from seq.runtime.pipe import predict_pipe

        item = Item("-")
        try:
            for result, final in predict_pipe(model, sys.stdin.buffer, options.every, options.raw, options.describe):
                yield Outcome(item, result), not final
        except InputError as error:
            yield Outcome(item, None, str(error)), False
        return
    outcomes = predict_items(model, expand(options.paths), options.jobs, options.describe)
    with contextlib.closing(outcomes):
        for outcome in _progress(outcomes, options):
            yield outcome, False


def _progress(outcomes: Iterable[Outcome], options: argparse.Namespace) -> Iterable[Outcome]:
    """The same outcomes with a progress bar, where someone is watching and it does not break their lines."""
    if not sys.stderr.isatty() or (options.out is None and sys.stdout.isatty()):
        return outcomes
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return outcomes
    from seq.runtime.inputs import expand

    return tqdm(outcomes, total=sum(1 for _ in expand(options.paths)), unit="rec", desc="predict")


@contextlib.contextmanager
def _open_output(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        # Names of files may be any bytes, and the locale may be any.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        yield sys.stdout
        return
    from seq.utils.files import atomic_path

    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        yield stream


def _num_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def run() -> NoReturn:
    """Entry point of the command."""
    run_main(main)


if __name__ == "__main__":
    run()

"""`speecheq predict`: its arguments, and what it does with them; what is heavy is imported when it runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seq.errors import InputError
from seq.utils.files import atomic_path, remove_leftovers_of
from seq.utils.option_types import positive_float, positive_int
from seq.utils.outputs import check_out_file, out_path
from seq.utils.stoppable_input import stoppable

if TYPE_CHECKING:
    from seq.runtime.batch import Outcome
    from seq.runtime.model import Model
    from seq.runtime.resumed_output import Output

FAILED_EXIT_CODE = 1


def add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
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
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=out_path,
        help="write there instead of to standard output; what was stopped is gone on with",
    )
    parser.add_argument("--describe", action="store_true", help="add one sentence on how it was said")
    parser.add_argument(
        "--nj", "--jobs", dest="jobs", type=positive_int, default=_num_cpus(), help="threads (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-seconds", type=positive_float, default=60.0, help="speech per run of the network (default: 60)"
    )
    parser.add_argument(
        "--every", metavar="SECONDS", type=positive_float, default=0.0, help="with -: an estimate so often"
    )
    parser.add_argument(
        "--raw", metavar="HZ", type=positive_int, help="with -: 16-bit little-endian mono samples without a header"
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
    with _open_output(options, model) as output:
        writer = Writer(output.stream, options.format, model.catalogue, with_head=not output.num_recordings)
        for outcome, partial in _outcomes(model, options, output):
            writer.write(outcome, partial)
            output.count(outcome.item, outcome.result is None)
    if output.num_failed:
        print(f"{output.num_failed} of the recordings could not be judged: see their lines", file=sys.stderr)
    return FAILED_EXIT_CODE if output.num_failed else 0


def _inputs(paths: list[str]) -> Iterator[str | int]:
    """What `predict` reads: lists and the recordings in them, or the descriptor of standard input."""
    from seq.runtime.inputs import expand

    if paths == ["-"]:
        yield sys.stdin.fileno()
        return
    yield from paths
    yield from (item.path for item in expand(_lasting(paths)))


def _lasting(paths: list[str]) -> list[str]:
    """The paths that can be read twice: a list that comes through a pipe cannot."""
    return [path for path in paths if os.path.isfile(path) or not os.path.exists(path) or os.path.isdir(path)]


def _outcomes(model: Model, options: argparse.Namespace, output: Output) -> Iterator[tuple[Outcome, bool]]:
    """Outcomes, each with whether it is only an estimate."""
    from seq.runtime.batch import Outcome, predict_items
    from seq.runtime.inputs import Item, expand

    if options.paths == ["-"]:
        from seq.runtime.pipe import predict_pipe

        item = Item("-")
        with stoppable(sys.stdin.buffer) as stream:
            try:
                for result, final in predict_pipe(model, stream, options.every, options.raw, options.describe):
                    yield Outcome(item, result), not final
            except InputError as error:
                yield Outcome(item, None, str(error)), False
        return
    num_known, items = output.num_recordings, output.checked(expand(options.paths))
    outcomes = predict_items(model, items, options.jobs, options.describe, num_known)
    with contextlib.closing(outcomes):
        for outcome in _progress(outcomes, options, num_known):
            yield outcome, False


def _progress(outcomes: Iterable[Outcome], options: argparse.Namespace, num_known: int) -> Iterable[Outcome]:
    """The same outcomes with a progress bar, where someone is watching and it does not break their lines."""
    if not sys.stderr.isatty() or (options.out is None and sys.stdout.isatty()):
        return outcomes
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return outcomes
    from seq.runtime.inputs import expand

    lasting = _lasting(options.paths)
    total = sum(1 for _ in expand(lasting)) if lasting == options.paths else None
    return tqdm(outcomes, total=total, initial=num_known, unit="rec", desc="predict")


@contextlib.contextmanager
def _open_output(options: argparse.Namespace, model: Model) -> Iterator[Output]:
    from seq.runtime.resumed_output import Output, can_resume, open_resumed

    path = options.out
    if path is None:
        # Names of files may be any bytes, and the locale may be any.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        yield Output(sys.stdout)
        return
    remove_leftovers_of(path)
    if options.paths != ["-"] and can_resume(path):
        settings = {name: str(getattr(options, name)) for name in ("format", "describe", "batch_seconds")}
        with open_resumed(path, {"model": model.description["sha256"], **settings}) as output:
            yield output
        return
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        yield Output(stream)


def _num_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

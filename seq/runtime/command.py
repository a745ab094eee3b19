"""`speecheq predict`: its arguments, and what it does with them; what is heavy is imported when it runs."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from seq.errors import InputError
from seq.utils.files import atomic_path, remove_leftovers_of
from seq.utils.option_types import positive_float, positive_int, share
from seq.utils.outputs import check_out_file, out_path
from seq.utils.stoppable_input import stoppable

if TYPE_CHECKING:
    from seq.runtime.batch import Outcome
    from seq.runtime.model import Model
    from seq.runtime.results import Result

# Between two estimates of what a microphone hears.
MICROPHONE_SECONDS = 1.0
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
    paths = parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        default=[],
        help="first a model folder (without one, that which comes with SpeechEQ), then "
        "audio files, folders, wav.scp, Lhotse manifests (.jsonl, .jsonl.gz: recordings or cuts), "
        "or - for audio from standard input",
    )
    parser.add_argument(
        "--microphone",
        action=_Instead,
        other=paths,
        help="instead of a PATH: listen, estimate every second, and answer at Ctrl-C",
    )
    parser.add_argument("--format", choices=("json", "csv", "table"), default="json", help="JSON lines by default")
    parser.add_argument("--out", metavar="FILE", type=out_path, help="write there instead of to standard output")
    parser.add_argument(
        "--segments", metavar="FILE", type=out_path, help="write who sounded how and when: .rttm, .csv, .txt (Audacity)"
    )
    parser.add_argument(
        "--embeddings", metavar="FILE", type=out_path, help="write the vector of every recording there, too (.npz)"
    )
    parser.add_argument("--speaker", metavar="FILE", type=Path, help="who speaks: what speecheq enroll wrote")
    parser.add_argument("--describe", action="store_true", help="add one sentence on how it was said")
    parser.add_argument("--jobs", type=positive_int, default=_num_cpus(), help="threads (default: %(default)s)")
    parser.add_argument(
        "--batch-seconds", type=positive_float, default=60.0, help="speech per run of the network (default: 60)"
    )
    parser.add_argument(
        "--vad",
        choices=("energy", "silero"),
        default="energy",
        help="what finds speech beyond 20 s: a rule about loudness (default), or Silero's trained detector",
    )
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=positive_float,
        default=0.0,
        help="with - and --microphone: an estimate so often",
    )
    parser.add_argument(
        "--raw", metavar="HZ", type=positive_int, help="with -: 16-bit little-endian mono samples without a header"
    )
    parser.add_argument(
        "--risk",
        metavar="R",
        type=share,
        help="of the answers that are not marked, at most this share wrong (0 to 1)",
    )
    parser.set_defaults(run=_predict)


class _Instead(argparse.Action):
    """A flag beside which another argument, `other`, may be missing."""

    def __init__(self, option_strings: Sequence[str], dest: str, other: argparse.Action, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, help=help)
        self._other = other

    def __call__(self, _parser: object, namespace: argparse.Namespace, *_values: object) -> None:
        setattr(namespace, self.dest, True)
        self._other.required = False


def _predict(options: argparse.Namespace) -> int:
    from seq.runtime import load_model
    from seq.runtime.default_model import model_and_paths
    from seq.runtime.embeddings import open_embeddings
    from seq.runtime.output import Writer
    from seq.runtime.segments import check_segments_file, open_segments

    options.model, options.paths = model_and_paths(options.paths, needs_path=not options.microphone)
    if options.microphone and options.paths:
        raise InputError("--microphone is heard instead of recordings: pass it without a PATH, or leave it out")
    if "-" in options.paths and len(options.paths) > 1:
        raise InputError("- (standard input) cannot be mixed with other paths: predict them in two commands")
    if options.paths != ["-"] and (options.raw or (options.every and not options.microphone)):
        raise InputError("--every and --raw are for standard input: pass - as the path, or leave them out")
    for option, path in (("--out", options.out), ("--embeddings", options.embeddings)):
        if path is not None:
            check_out_file(option, path, itertools.chain(filter(None, [options.speaker]), _inputs(options.paths)))
    if options.out is not None and options.out == options.embeddings:
        raise InputError(f"--out and --embeddings are both {options.out}: name two files")
    if options.segments is not None:
        check_segments_file(options.segments, options.out, _inputs(options.paths))
    model = load_model(
        options.model,
        batch_seconds=options.batch_seconds,
        vad=options.vad,
        risk=options.risk,
        speaker=options.speaker,
    )
    if options.embeddings is not None:
        model.engine.check_embedding()
    for line in model.what_is_missing():
        print(line, file=sys.stderr)
    num_failed = 0
    with (
        _open_output(options.out) as stream,
        open_segments(options.segments, model.engine) as add_segments,
        open_embeddings(options.embeddings) as keep,
    ):
        writer = Writer(stream, options.format, model.catalogue)
        for outcome, partial in _outcomes(model, options):
            writer.write(outcome, partial)
            if not partial:
                add_segments(outcome)
                keep(outcome)
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
    yield from (item.path for item in expand(_lasting(paths)))


def _lasting(paths: list[str]) -> list[str]:
    """The paths that can be read twice: a list that comes through a pipe cannot."""
    return [path for path in paths if os.path.isfile(path) or not os.path.exists(path) or os.path.isdir(path)]


def _outcomes(model: Model, options: argparse.Namespace) -> Iterator[tuple[Outcome, bool]]:
    """Outcomes, each with whether it is only an estimate."""
    from seq.runtime.batch import predict_items
    from seq.runtime.inputs import expand

    if options.microphone:
        from seq.runtime.microphone import open_microphone, predict_microphone

        with open_microphone() as microphone:
            print(f"listening to {microphone.device}; Ctrl-C ends it", file=sys.stderr)
            every = options.every or MICROPHONE_SECONDS
            yield from _live("microphone", predict_microphone(model, microphone, every, options.describe))
        return
    if options.paths == ["-"]:
        from seq.runtime.pipe import predict_pipe

        with stoppable(sys.stdin.buffer) as stream:
            yield from _live("-", predict_pipe(model, stream, options.every, options.raw, options.describe))
        return
    outcomes = predict_items(model, expand(options.paths), options.jobs, options.describe)
    with contextlib.closing(outcomes):
        for outcome in _progress(outcomes, options):
            yield outcome, False


def _live(name: str, results: Iterable[tuple[Result, bool]]) -> Iterator[tuple[Outcome, bool]]:
    """The outcomes of results that say whether they are final, of which the last may be an error."""
    from seq.runtime.batch import Outcome
    from seq.runtime.inputs import Item

    item = Item(name)
    try:
        for result, final in results:
            yield Outcome(item, result), not final
    except InputError as error:
        yield Outcome(item, None, str(error)), False


def _progress(outcomes: Iterable[Outcome], options: argparse.Namespace) -> Iterable[Outcome]:
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
    return tqdm(outcomes, total=total, unit="rec", desc="predict")


@contextlib.contextmanager
def _open_output(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        # Names of files may be any bytes, and the locale may be any.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        yield sys.stdout
        return
    remove_leftovers_of(path)
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        yield stream


def _num_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

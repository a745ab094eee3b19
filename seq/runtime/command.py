"""`speecheq predict`: what it does with its options; what is heavy is imported when it runs."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seq.errors import InputError
from seq.runtime.predict_options import add_options
from seq.utils.files import atomic_path, remove_leftovers_of, sha256, written_place
from seq.utils.outputs import check_out_file
from seq.utils.stoppable_input import stoppable

if TYPE_CHECKING:
    from seq.runtime.batch import Outcome
    from seq.runtime.model import Model
    from seq.runtime.results import Result
    from seq.runtime.resumed_output import Output

# Between two estimates of what a microphone hears.
MICROPHONE_SECONDS = 1.0
FAILED_EXIT_CODE = 1
# Options by which the same recordings get other answers, or another form.
ANSWERS_DEPEND_ON = ("format", "describe", "batch_seconds", "vad", "risk", "speaker")


def add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "predict",
        help="judge recordings",
        description="One line per recording, in order. A recording that cannot be judged gives a line with `error`; "
        "the exit code is then 1.",
        allow_abbrev=False,
    )
    add_options(parser)
    parser.set_defaults(run=_predict)


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
    if options.segments is not None:
        check_segments_file(options.segments)
    _check_outputs(options)
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
    with (
        _open_output(options, model) as output,
        open_segments(options.segments, model.engine) as add_segments,
        open_embeddings(options.embeddings) as keep,
    ):
        writer = Writer(output.stream, options.format, model.catalogue, with_head=not output.num_recordings)
        for outcome, partial in _outcomes(model, options, output):
            writer.write(outcome, partial)
            if not partial:
                add_segments(outcome)
                keep(outcome)
            output.count(outcome.item, outcome.result is None)
    if output.num_failed:
        print(f"{output.num_failed} of the recordings could not be judged: see their lines", file=sys.stderr)
    return FAILED_EXIT_CODE if output.num_failed else 0


def _check_outputs(options: argparse.Namespace) -> None:
    """Raises InputError where a file that is written is another one, or one that is read."""
    written: dict[Path, str] = {}
    for option in ("--out", "--segments", "--embeddings"):
        path = getattr(options, option.removeprefix("--"))
        if path is not None:
            check_out_file(option, path, itertools.chain(filter(None, [options.speaker]), _inputs(options.paths)))
            other = written.setdefault(written_place(path).resolve(), option)
            if other != option:
                raise InputError(f"{other} and {option} are both {path}: name two files")


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
    num_known, items = output.num_recordings, output.checked(expand(options.paths))
    outcomes = predict_items(model, items, options.jobs, options.describe, num_known)
    with contextlib.closing(outcomes):
        for outcome in _progress(outcomes, options, num_known):
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
    # The other files are of all recordings: with one of them, all are judged again.
    is_alone = options.segments is None and options.embeddings is None
    if options.paths != ["-"] and not options.microphone and is_alone and can_resume(path):
        settings = {name: str(getattr(options, name)) for name in ANSWERS_DEPEND_ON}
        if options.speaker is not None:
            # Of the same name there may be another enrolment by now.
            settings["speaker"] = sha256(options.speaker)
        with open_resumed(path, {"model": model.description["sha256"], **settings}) as output:
            yield output
        return
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        yield Output(stream)

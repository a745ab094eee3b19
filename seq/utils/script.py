"""The one way in which every script ends: a mendable failure is one sentence and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn, TextIO

from seq.errors import InputError
from seq.utils.process import die_with_runner
from seq.utils.stopping import Stopped, watch_signals

USAGE_EXIT_CODE = 2
# As a shell reports SIGPIPE.
CLOSED_PIPE_EXIT_CODE = 141
MAX_SENTENCE = 2000


def run_main(main: Callable[[], int | None]) -> NoReturn:
    """Run a script's `main` and turn every mendable failure into one sentence.

    Exit codes: 0 or what `main` returns; 2 for an `InputError`, an unwritable or a full disk, an output that is closed;
    of a signal that stops, 128 and its number, 130 for Ctrl-C; 141 for a reader that closed our output.
    Any other exception is a bug of ours and keeps its traceback.
    """
    die_with_runner()
    watch_signals()
    _open_closed_streams()
    failures = _note_failures(sys.stdout)
    try:
        try:
            code = main() or 0
        except SystemExit as ended:  # argparse, after --help
            code = ended.code  # type: ignore[assignment]
            # Which keeps to itself what it could not write.
            if failures:
                raise failures[0] from None
        # Here, and not when Python ends, since a full disk is met only now.
        sys.stdout.flush()
        sys.exit(code)
    except InputError as error:
        _fail(str(error))
    except BrokenPipeError:
        _end(CLOSED_PIPE_EXIT_CODE)
    except OSError as error:
        if sentence := explain(error):
            _fail(sentence)
        raise
    except Stopped as stopped:
        _say("interrupted: run the same command again to go on")
        _end(stopped.exit_code)


def explain(error: OSError) -> str | None:
    """What the system refused, in a sentence; None where it says neither what nor why."""
    where = error.filename or "the disk"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        disk = f"holds {error.filename}" if error.filename else "the output goes to"
        return f"no space left on the disk that {disk}: free some and run the same command again"
    if error.errno == errno.EFBIG:
        return f"{where} is larger than its disk or your limit (ulimit -f) allows: choose another place"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where} cannot be read or written ({error.strerror}): change its permissions or choose another place"
    if error.errno == errno.EBADF and error.filename is None:
        return "standard output is closed: leave it open, or send it to a file"
    return None if error.filename is None else f"{error.filename}: {error.strerror}"


def _open_closed_streams() -> None:
    """Give the standard streams that our caller closed (`>&-`) something to be.

    Else the next file that is opened would take their place, and what is meant for people would be written into it.
    """
    for number, name, flags in (
        (0, "stdin", os.O_RDONLY),
        # For reading: whoever writes to it is told that it is closed.
        (1, "stdout", os.O_RDONLY),
        (2, "stderr", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115


def _note_failures(stream: TextIO) -> list[OSError]:
    """Let a stream note what goes wrong when it is written to, and not only raise it."""
    failures: list[OSError] = []
    write = stream.write

    def noting(text: str) -> int:
        try:
            return write(text)
        except OSError as error:
            failures.append(error)
            raise

    stream.write = noting  # type: ignore[method-assign]
    return failures


def _say(message: str) -> None:
    # Nobody can be told that nobody can be told.
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def _fail(message: str) -> NoReturn:
    sentence = " ".join(message.split())
    if len(sentence) > MAX_SENTENCE:
        # It repeats what somebody gave it; where it begins and what to do stands at its ends.
        sentence = f"{sentence[: MAX_SENTENCE // 2]} ... {sentence[-MAX_SENTENCE // 2 :]}"
    _say(f"error: {sentence}")
    _end(USAGE_EXIT_CODE)


def _end(code: int) -> NoReturn:
    """End with this code, whatever became of the output: Python would flush it again, complain and end with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)

"""The one way in which every script ends: a mendable failure is one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from seq.errors import InputError
from seq.utils.process import die_with_runner
from seq.utils.stopping import Stopped, watch_signals

USAGE_EXIT_CODE = 2


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(USAGE_EXIT_CODE)


def run_main(main: Callable[[], int | None]) -> NoReturn:
    """Run a script's `main` and turn every mendable failure into one sentence.

    Exit codes: 0 or what `main` returns; 2 for an `InputError`, an unwritable or a full disk; of a signal that stops,
    128 and its number, 130 for Ctrl-C; 141 for a reader that closed our output (as a shell reports SIGPIPE).
    Any other exception is a bug of ours and keeps its traceback.
    """
    die_with_runner()
    watch_signals()
    try:
        sys.exit(main() or 0)
    except InputError as error:
        _fail(" ".join(str(error).split()))
    except BrokenPipeError:
        # Python would complain again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        where = error.filename or "the disk"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            disk = f"holds {error.filename}" if error.filename else "the output goes to"
            _fail(f"no space left on the disk that {disk}: free some and run the same command again")
        if error.errno == errno.EFBIG:
            _fail(f"{where} is larger than its disk or your limit (ulimit -f) allows: choose another place")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            _fail(
                f"{where} cannot be read or written ({error.strerror}): change its permissions or choose another place"
            )
        if error.filename is not None and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
            _fail(f"{where}: {error.strerror}")
        raise
    except Stopped as stopped:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        sys.exit(stopped.exit_code)

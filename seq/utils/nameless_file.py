"""A file that goes with the process that made it, even where that is killed: what people recorded stays nowhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

# By their numbers the files that this process has open, nameless ones too, each opened anew from its beginning.
_OPEN_FILES: Final = Path("/proc/self/fd")


@contextmanager
def nameless_file(folder: Path | None = None) -> Iterator[tuple[IO[bytes], Path]]:
    """Yield a file for writing and a path by which this process, and no other, reads it.

    Linux needs no name for that; elsewhere it has one until it is closed.

    Args:
        folder: on whose disk it is; None is that of temporary files.
    """
    if _OPEN_FILES.is_dir():
        with tempfile.TemporaryFile(dir=folder) as file:
            yield file, _OPEN_FILES / str(file.fileno())
    else:
        with tempfile.NamedTemporaryFile(prefix="speecheq-", dir=folder) as file:
            yield file, Path(file.name)

"""Where `speecheq predict` writes. A file of `--out` that was begun and stopped, at whatever moment, is gone on with.

What is answered so far lies beside the file, in `.part.NAME`, and how far that reaches in `.part.NAME.json`, which is
replaced once a second. Whoever goes on cuts the first to what the second says, and compares the recordings.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO, TypedDict

from seq.errors import InputError
from seq.runtime.inputs import Item
from seq.utils.files import is_replaced, name_in_errors, read_json, temporary_beside, write_json, written_place
from seq.utils.typed_values import NonNegativeInt, read_typed

# What a kill costs at most, in seconds, beside the recordings that were being judged.
SAVE_SECONDS = 1.0


class Output:
    """A stream of answers, and how many of them there are."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.num_recordings = self.num_failed = 0

    def checked(self, items: Iterable[Item]) -> Iterable[Item]:
        """The same recordings. Raises InputError where those that are answered already are others."""
        return items

    def count(self, item: Item, failed: bool) -> None:
        """The answer of the next recording is written and flushed."""
        del item
        self.num_recordings += 1
        self.num_failed += failed


class _State(TypedDict):
    # What the answers depend on beside the recordings.
    settings: dict[str, str]
    # How many recordings are answered, how many of them have an error, and how long their answers are.
    recordings: NonNegativeInt
    failed: NonNegativeInt
    num_bytes: NonNegativeInt
    # SHA-256 of what tells the recordings.
    sha256: str


class ResumedOutput(Output):
    """A file that is not whole yet, open to append to."""

    def __init__(self, file: IO[bytes], out: Path, part: Path, settings: dict[str, str]) -> None:
        """Args:
        file: `part`, open and locked; it is cut to the answers that count.
        out: what the user called it.
        settings: what answers depend on beside the recordings, by option.
        """
        super().__init__(io.TextIOWrapper(file, encoding="utf-8", newline="\n"))
        self._part, self._settings = part, settings
        self._state_json = part.with_name(f"{part.name}.json")
        self._out, self._remedy = out, f"delete {part} and {self._state_json} to start over"
        self._digest = hashlib.sha256()
        # Of the recordings that are answered already.
        self._expected = self._digest.hexdigest()
        self._saved_at, self._is_saved = time.monotonic(), True
        num_bytes = 0
        state = self._read(os.fstat(file.fileno()).st_size)
        if state is not None:
            num_bytes, self._expected = state["num_bytes"], state["sha256"]
            self.num_recordings, self.num_failed = state["recordings"], state["failed"]
        os.ftruncate(file.fileno(), num_bytes)

    def _read(self, size: int) -> _State | None:
        """How far a file of `size` bytes is; None where that is not known."""
        if not self._state_json.exists():
            return None
        state = read_typed(read_json(self._state_json), _State, f"{self._state_json} is damaged, {self._remedy}")
        if size < state["num_bytes"]:
            # A command was killed between the two steps that finish it.
            return None
        for name in {**self._settings, **state["settings"]}:
            if state["settings"].get(name) != self._settings.get(name):
                raise InputError(
                    f"{self._out} was begun with another {name} and has {state['recordings']} answers: go on with "
                    f"that, or {self._remedy}"
                )
        return state

    def checked(self, items: Iterable[Item]) -> Iterator[Item]:
        num_known, number = self.num_recordings, 0
        for item in items:
            if number == num_known:
                self._check()
            elif number < num_known:
                self._digest.update(_identity(item))
            number += 1
            yield item
        if number <= num_known:
            self._check()

    def _check(self) -> None:
        if self._digest.hexdigest() != self._expected:
            raise InputError(
                f"{self._out} was begun, and the recordings of its {self.num_recordings} answers have changed since or "
                f"are others: {self._remedy}"
            )

    def count(self, item: Item, failed: bool) -> None:
        super().count(item, failed)
        self._digest.update(_identity(item))
        self._is_saved = False
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write down how far it is."""
        if self._is_saved:
            return
        state: _State = {
            "settings": self._settings,
            "recordings": self.num_recordings,
            "failed": self.num_failed,
            "num_bytes": os.fstat(self.stream.fileno()).st_size,
            "sha256": self._digest.hexdigest(),
        }
        write_json(self._state_json, state)
        self._saved_at, self._is_saved = time.monotonic(), True

    def finish(self) -> None:
        """Move the answers to their place."""
        os.replace(self._part, written_place(self._out))
        self._state_json.unlink(missing_ok=True)


def can_resume(out: Path) -> bool:
    """Whether what is written there is a file: of a device or a pipe nothing can be gone on with."""
    return is_replaced(written_place(out))


@contextmanager
def open_resumed(out: Path, settings: dict[str, str]) -> Iterator[ResumedOutput]:
    """What is to become `out`, whole, when the block ends well; else it stays for the next command to go on with.

    Raises:
        InputError: it was begun with other settings, or another process writes it.
        OSError: what the system says, naming `out`.
    """
    place = written_place(out)
    part = temporary_beside(place, "part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with name_in_errors(out), _open_alone(part, out) as file:
        output = ResumedOutput(file, out, part, settings)
        try:
            yield output
        except BaseException:
            # What could not be written on a full disk is done again.
            with suppress(OSError):
                output.save()
            raise
        output.finish()


def _open_alone(part: Path, out: Path) -> IO[bytes]:
    """Open a file to append to that no other process writes, by flock where the system and the disk have it."""
    while True:
        file = open(part, "ab")  # noqa: SIM115
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise InputError(f"another process writes {out}: wait for it or stop it, or name another file") from None
        except (ModuleNotFoundError, OSError):
            return file
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
                return file
        # The other process has just moved it to its place.
        file.close()


def _identity(item: Item) -> bytes:
    """What tells a recording: its name and part, and the size and time of its file."""
    found: Any = None
    with suppress(OSError, ValueError):
        status = os.stat(item.path)
        found = (status.st_size, status.st_mtime_ns)
    return repr((item.path, item.id, item.start, item.duration, item.error, found)).encode()

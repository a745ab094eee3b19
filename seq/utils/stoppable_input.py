"""A stream that a signal stops, even one that comes the moment before a read begins."""

from __future__ import annotations

import io
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO


class _Watched(io.RawIOBase):
    """The bytes of a descriptor; before each read it waits for them or for a signal, whose handler then runs."""

    def __init__(self, descriptor: int, woken: int) -> None:
        self._descriptor, self._woken = descriptor, woken

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        select.select([self._descriptor, self._woken], [], [])
        return os.readv(self._descriptor, [buffer])


@contextmanager
def stoppable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The same bytes, for the main thread of a program.

    Python notices a signal between two steps of a program, and one that interrupts a read; one that comes between the
    step and the read would wait until there is something to read, which may be never.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, AttributeError):
        yield stream
        return
    if os.name != "posix":
        yield stream
        return
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    try:
        yield io.BufferedReader(_Watched(descriptor, woken))
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wakes)

"""Signals that stop a program, as an exception: what it was writing, or had been handed, is removed on its way out."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final, NoReturn

# Ctrl-C, `kill`, a terminal that is closed, Ctrl-\.
STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stopped(KeyboardInterrupt):
    """A signal told this process to stop. Whoever handles Ctrl-C, as libraries do, handles the others by it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """As a shell has it: 130 for Ctrl-C, 143 for TERM, 129 for HUP."""
        return 128 + self.number


def watch_signals() -> None:
    """Let signals that stop a program raise `Stopped` in its main thread; those that were ignored (nohup) still are."""

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        raise Stopped(number)

    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)

"""Say how much was tried, and note it where tools/fuzz.sh adds it up."""

from __future__ import annotations

import os

import pytest
from fuzzing import COUNT


def pytest_sessionfinish(session: pytest.Session) -> None:
    note = os.environ.get("SPEECHEQ_FUZZ_NOTE")
    if note and COUNT.inputs:
        with open(note, "a", encoding="utf-8") as file:
            file.write(f"{COUNT.inputs} {COUNT.refused} {COUNT.slowest:.1f}\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COUNT.inputs:
        terminalreporter.write_line(
            f"fuzzed: {COUNT.inputs} inputs, {COUNT.refused} refused, the slowest took {COUNT.slowest:.1f} s"
        )

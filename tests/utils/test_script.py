"""How every script ends: stopped by a signal, it leaves nothing behind that it was writing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(
    program: str, *arguments: object, unbuffered: str = "", stdout: int | IO[str] = subprocess.PIPE, **options: object
) -> subprocess.Popen[str]:
    """Run a program; it knows `run_main` and its arguments."""
    code = f"import sys\nfrom seq.utils.script import run_main\n{program}\nrun_main(main)"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        text=True,
        stdout=stdout,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )


WRITES = """
from pathlib import Path
from typing import IO
from seq.utils.files import atomic_path
def main():
    with atomic_path(Path(sys.argv[1])) as temporary:
        temporary.write_text("half")
        print("ready", flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_no_temporary_file(tmp_path: Path, number: signal.Signals) -> None:
    def heed() -> None:
        signal.signal(number, signal.SIG_DFL)

    process = start(WRITES, tmp_path / "out.txt", stdin=subprocess.PIPE, preexec_fn=heed)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, message = process.communicate()
    assert process.returncode == 128 + number and message.startswith("interrupted") and len(message.splitlines()) == 1
    assert not list(tmp_path.iterdir())


PRINTS = """
def main():
    print("an answer")
    print("a warning", file=sys.stderr)
    with open(sys.argv[1], "w") as file:
        file.write("a result")
"""


def in_shell(redirections: str, result: Path) -> tuple[int, str, str]:
    """Run PRINTS with redirections of the shell; its exit code, and what came out of the streams that are left."""
    code = f"import sys\nfrom seq.utils.script import run_main\n{PRINTS}\nrun_main(main)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" "$2" {redirections}', sys.executable, code, result],
        env={**environment, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("redirections", "code", "stdout", "stderr"),
    [
        (">/dev/full", 2, "", "a warning\nerror: no space left"),
        (">&-", 2, "", "a warning\nerror: standard output is closed"),
        ("<&- 2>&-", 0, "an answer\n", ""),
        ("<&- >&- 2>&-", 2, "", ""),
        (">/dev/full 2>/dev/full", 2, "", ""),
    ],
)
def test_streams_that_are_closed_or_full(
    tmp_path: Path, redirections: str, code: int, stdout: str, stderr: str
) -> None:
    found = in_shell(redirections, tmp_path / "result")
    assert (
        found[:2] == (code, stdout)
        and found[2].startswith(stderr)
        and found[2].count("\n") == stderr.count("\n") + ("error" in stderr)
    )
    if "2>/dev/full" not in redirections:
        # Nothing that was meant for people got into a file that took the place of a closed stream.
        assert (tmp_path / "result").read_text() == "a result"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_cannot_be_written(unbuffered: str) -> None:
    """Whether it is written at once, where argparse says nothing, or at the end."""
    program = "import argparse\ndef main():\n    argparse.ArgumentParser().parse_args(['--help'])"
    with open("/dev/full", "w") as full:
        process = start(program, unbuffered=unbuffered, stdout=full)
        _, said = process.communicate()
    assert process.returncode == 2 and said.startswith("error: no space left") and said.count("\n") == 1


def test_a_sentence_that_repeats_a_long_value_is_cut() -> None:
    program = "from seq.errors import InputError\ndef main():\n    raise InputError(f\"begins {'9' * 10_000} ends\")"
    process = start(program)
    out, said = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert said.startswith("error: begins 9") and said.endswith("9 ends\n") and len(said) < 2100

"""How every script ends: stopped by a signal, it leaves nothing behind that it was writing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(program: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """Run a program; it knows `run_main` and its arguments."""
    code = f"import sys\nfrom seq.utils.script import run_main\n{program}\nrun_main(main)"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )


WRITES = """
from pathlib import Path
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

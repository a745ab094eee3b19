"""The Python environment in which stages run: the repository's own, made when it is first needed, or the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from seq.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def enter_environment() -> None:
    """Make or repair the environment, unless the user has one of their own, and go on in its Python.

    Raises:
        InputError: the user's own lacks what is needed.
    """
    if own := os.environ.get("SPEECHEQ_PYTHON_ENV"):
        if missing := [name for name in ("lhotse", "torch", "yaml") if find_spec(name) is None]:
            raise InputError(f"SPEECHEQ_PYTHON_ENV names {own}, which lacks {', '.join(missing)}: run `pip install -e "
                             f"{ROOT}` in it, or unset the variable")  # fmt: skip
        return
    if status := subprocess.run([ROOT / "tools/setup.sh", "--quiet"], check=False).returncode:
        sys.exit(status)
    environment = ROOT / ".venv"
    if Path(sys.prefix).resolve() != environment.resolve():
        python = str(environment / "bin/python3")
        sys.stdout.flush()
        os.execv(python, [python, *sys.argv])

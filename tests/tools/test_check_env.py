"""The environment check names everything that pyproject.toml requires."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_check(copy: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(copy)], capture_output=True, text=True, check=False)


def test_every_required_package_is_checked() -> None:
    tomllib = pytest.importorskip("tomllib")
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.split(r"[^\w.-]", line)[0] for line in listed}
    assert {"torch", "markdown"} <= names
    done = run_check(ROOT / "tools/check_env.py")
    assert names <= {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert done.returncode == 0, done.stdout


def test_a_missing_one_fails(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    copy = tmp_path / "tools/check_env.py"
    copy.write_bytes((ROOT / "tools/check_env.py").read_bytes())
    (tmp_path / "pyproject.toml").write_text('dependencies = [\n    "numpy>=1",\n    "no-such-package",  # needed\n]\n')
    done = run_check(copy)
    assert done.returncode == 1 and "Something required is missing" in done.stdout
    assert re.search(r"^no-such-package +missing +REQUIRED", done.stdout, re.MULTILINE)
    assert "markdown" not in done.stdout

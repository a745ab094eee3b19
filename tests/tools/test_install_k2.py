"""The wheel that fits, out of a page as k2 publishes it; and an environment left alone where none does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from match_k2_wheel import alternatives, choose, installable, variant_of  # noqa: E402

LINES = [
    "k2-1.24.4.dev20250714+cpu.torch2.7.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250307+cpu.torch2.7.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250714+cpu.torch2.7.1-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250714+cuda12.6.torch2.7.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250714+cuda12.8.torch2.7.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "k2-1.24.4.dev20250714+cpu.torch2.8.0-cp311-cp311-macosx_11_0_arm64.whl",
    "k2-1.24.4.dev20240905+cpu.torch2.10.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
]
PAGE = "\n".join(f'<a href="https://example.org/{line.replace("+", "%2B")}">{line}</a><br/>' for line in LINES)


@pytest.mark.parametrize(
    ("torch_version", "k2"),
    [
        ("2.7.1+cpu", "1.24.4.dev20250714+cpu.torch2.7.1"),
        ("2.7.1+cu126", "1.24.4.dev20250714+cuda12.6.torch2.7.1"),
        ("2.10.0+cpu", "1.24.4.dev20240905+cpu.torch2.10.0"),
        ("2.10.0+cu126", None),
        ("2.8.0+cpu", None),
        ("2.7.0+cpu", None),
    ],
)
def test_only_a_wheel_for_this_torch_and_cuda_fits(torch_version: str, k2: str | None) -> None:
    wheel = choose(installable(PAGE, "cp311", "linux", "x86_64"), torch_version)
    assert (wheel.k2 if wheel else None) == k2


def test_versions_are_compared_as_numbers() -> None:
    assert alternatives(installable(PAGE, "cp311", "linux", "x86_64")) == "2.10.0, 2.7.1"
    assert alternatives(installable(PAGE, "cp310", "linux", "x86_64")) == "none"
    assert variant_of("2.7.1+cu128") == "cuda12.8" and variant_of("2.7.1") == ""


def test_an_environment_that_no_wheel_fits_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "cpu.html"
    page.write_text(PAGE.replace("2.7.1", "1.0.0").replace("2.10.0", "1.1.0"))
    environment = {**os.environ, "SPEECHEQ_PYTHON_ENV": sys.prefix}
    command = [str(ROOT / "tools" / "install_k2.sh"), "--index", page.as_uri()]
    if subprocess.run([sys.executable, "-c", "import k2"], capture_output=True).returncode == 0:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "computes the right loss" in done.stdout
        return
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "nothing was changed" in done.stderr
    if f"cp{sys.version_info.major}{sys.version_info.minor}" == "cp311" and sys.platform == "linux":
        assert "wheels for torch 1.1.0, 1.0.0" in done.stderr
    done = subprocess.run(
        [*command[:-1], (tmp_path / "none").as_uri()], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2 and "cannot be reached" in done.stderr

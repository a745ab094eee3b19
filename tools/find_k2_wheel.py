"""Find the newest torch for which k2 publishes a wheel that fits this Python and machine.

Usage: python tools/find_k2_wheel.py --variant cpu|cuda [--index URL]
Out:   one line: "torch==<version> <index of torch wheels> k2==<version> <page of k2 wheels>"

Standard library only: tools/setup.sh --with-k2 calls it before there is an environment, and changes
nothing where this exits with 2.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NamedTuple

TORCH_INDEX = "https://download.pytorch.org/whl"
# k2-1.24.4.dev20250714+cuda12.8.torch2.7.1-cp311-cp311-manylinux_2_27_x86_64...whl
WHEEL = re.compile(
    r"k2-(?P<k2>[\w.]+\+(?P<variant>cpu|cuda[\d.]+)\.torch(?P<torch>\d+(?:\.\d+)+))-(?P<python>cp\d+)-cp\d+-(?P<platform>[\w.]+)\.whl"
)


class Wheel(NamedTuple):
    """One k2 wheel: its version with the local part, "cpu" or "cuda12.8", and the torch it was built for."""

    k2: str
    variant: str
    torch: str


def numbers(version: str) -> tuple[int, ...]:
    """The numbers in a version, for comparing: "cuda12.8" -> (12, 8)."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def torch_range() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The range of torch that SpeechEQ is tested with: first version, and first one beyond."""
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'"torch>=([\d.]+),<([\d.]+)"', text)
    assert found, "pyproject.toml names torch as torch>=A,<B"
    return numbers(found[1]), numbers(found[2])


def installable(page: str, python: str, system: str, machine: str) -> list[Wheel]:
    """The wheels on a page that a Python on a machine could install, whatever their torch; arguments as of `choose`."""
    return [
        Wheel(found["k2"], found["variant"], found["torch"])
        for found in WHEEL.finditer(urllib.parse.unquote(page))
        if found["python"] == python
        and system in found["platform"]
        and found["platform"].endswith((machine, "universal2"))
    ]


def this_machine() -> tuple[str, str, str]:
    """Python tag, system and machine of the interpreter that runs this."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return python, "macosx" if sys.platform == "darwin" else sys.platform, platform.machine()


def read_page(index: str, way_out: str) -> str | None:
    """The HTML of a page of wheels; None, with the reason and `way_out` printed, where it cannot be reached."""
    try:
        with urllib.request.urlopen(index, timeout=15) as response:
            return response.read().decode("utf-8", errors="replace")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        print(
            f"error: k2's wheel page {index} cannot be reached ({reason}); nothing was changed: {way_out}",
            file=sys.stderr,
        )
        return None


def choose(page: str, python: str, system: str, machine: str, max_cuda: tuple[int, ...] | None) -> Wheel | None:
    """The wheel with the newest torch, then CUDA, then k2, among those on `page` that fit.

    Args:
        page: HTML of k2's wheel page.
        python: Python tag, for example "cp311".
        system: "linux" or "macosx".
        machine: "x86_64", "aarch64" or "arm64".
        max_cuda: newest CUDA that the driver can run; None for a CPU wheel.
    """
    lowest, beyond = torch_range()
    fitting = []
    for wheel in installable(page, python, system, machine):
        if not lowest <= numbers(wheel.torch) < beyond:
            continue
        if (wheel.variant == "cpu") != (max_cuda is None):
            continue
        if max_cuda is None or numbers(wheel.variant) <= max_cuda:
            fitting.append(wheel)
    return max(fitting, key=lambda w: (numbers(w.torch), numbers(w.variant), numbers(w.k2)), default=None)


def driver_cuda() -> tuple[int, ...]:
    """The newest CUDA that the installed driver can run, as nvidia-smi says."""
    output = subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"CUDA Version:\s*([\d.]+)", output)
    return numbers(found[1]) if found else ()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--index", help="page that lists k2's wheels (default: k2-fsa.github.io)")
    args = parser.parse_args()
    index = args.index or f"https://k2-fsa.github.io/k2/{args.variant}.html"
    page = read_page(index, "try again with a network, or run without --with-k2")
    if page is None:
        return 2
    python, system, machine = this_machine()
    wheel = choose(page, python, system, machine, driver_cuda() if args.variant == "cuda" else None)
    if wheel is None:
        print(
            f"error: k2 has no {args.variant} wheel for {python} on {system} {machine}; nothing was "
            "changed: choose another Python with PYTHON=..., or run without --with-k2",
            file=sys.stderr,
        )
        return 2
    build = "cpu" if wheel.variant == "cpu" else "cu" + "".join(str(n) for n in numbers(wheel.variant))
    print(f"torch=={wheel.torch} {TORCH_INDEX}/{build} k2=={wheel.k2} {index}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

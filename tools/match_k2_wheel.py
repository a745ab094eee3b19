"""Find the k2 wheel that was built for the Python, torch and CUDA that are installed.

Usage: python tools/match_k2_wheel.py [--index URL]
Out:   one line: "k2==<version> <page of k2 wheels>"; exit code 2, and the versions of torch that would do, where no
       wheel fits
"""

from __future__ import annotations

import argparse
import sys
from importlib import metadata

from find_k2_wheel import Wheel, installable, numbers, read_page, this_machine

PAGE = "https://k2-fsa.github.io/k2"


def variant_of(torch_version: str) -> str:
    """What k2 calls the build of a torch: "2.7.1+cu128" -> "cuda12.8", "2.7.1+cpu" -> "cpu".

    A torch without a local part, as PyPI has it, says nothing: "".
    """
    local = torch_version.partition("+")[2]
    return f"cuda{local[2:-1]}.{local[-1]}" if local.startswith("cu") else local


def choose(wheels: list[Wheel], torch_version: str) -> Wheel | None:
    """The newest k2 among the wheels for exactly this torch and its CUDA."""
    release, variant = torch_version.partition("+")[0], variant_of(torch_version)
    fitting = [wheel for wheel in wheels if wheel.torch == release and variant in ("", wheel.variant)]
    return max(fitting, key=lambda wheel: (numbers(wheel.variant), numbers(wheel.k2)), default=None)


def alternatives(wheels: list[Wheel]) -> str:
    """The versions of torch that there are wheels for, newest first."""
    versions = sorted({wheel.torch for wheel in wheels}, key=numbers, reverse=True)
    return ", ".join(versions) or "none"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", help=f"page that lists k2's wheels (default: {PAGE}/cpu.html or cuda.html)")
    args = parser.parse_args()
    try:
        torch_version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        print("error: torch is not installed: run tools/setup.sh first", file=sys.stderr)
        return 2
    # The metadata of a wheel from PyPI has no local part; the module has.
    torch_version = torch_version if "+" in torch_version else _imported_version(torch_version)
    kind = "cuda" if variant_of(torch_version).startswith("cuda") else "cpu"
    index = args.index or f"{PAGE}/{kind}.html"
    page = read_page(index, "try again with a network, or name a copy with --index")
    if page is None:
        return 2
    python, system, machine = this_machine()
    wheels = installable(page, python, system, machine)
    wheel = choose(wheels, torch_version)
    if wheel is None:
        print(
            f"error: k2 has no wheel for {python}, torch {torch_version} on {system} {machine}; nothing "
            f"was changed. There are {kind} wheels for torch {alternatives(wheels)}: tools/setup.sh --with-k2 makes "
            "an environment with the newest that SpeechEQ can use",
            file=sys.stderr,
        )
        return 2
    print(f"k2=={wheel.k2} {index}")
    return 0


def _imported_version(version: str) -> str:
    try:
        import torch
    except (ImportError, OSError):
        return version
    return str(torch.__version__)


if __name__ == "__main__":
    sys.exit(main())

"""Where a result comes from: the commit of the code and the versions of what it stands on."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("torch", "lhotse", "numpy", "k2")


def git_commit() -> str | None:
    """The commit of this code, with `-dirty` if tracked files were changed since; None outside a git clone."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def package_versions() -> dict[str, str | None]:
    """Versions of Python and of what results depend on, read without importing; None where not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def without_private_paths(command: str) -> str:
    """The command with `/home/me/corpora/ravdess` as `.../ravdess`: whose disk it was is nobody's business."""
    return re.sub(r"(?<=[\s='\"])/\S*/(?=[^/\s]+)", ".../", command)

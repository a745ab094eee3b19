"""Where a command may write: never over what it reads, nor into a model folder. Checked before anything is computed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from seq.errors import InputError
from seq.utils.files import is_replaced, written_place

# What tells a model folder from others (`seq.runtime.folder`).
MODEL_FILES: Final = ("model.json", "model.onnx")


def out_path(text: str) -> Path:
    """The type of an option that names what to write. Raises InputError for "", which `Path` takes for this folder."""
    if not text:
        raise InputError("an option names nothing to write to, its value is empty: name a file or a folder")
    return Path(text)


def check_out_file(option: str, path: Path, inputs: Iterable[Path | str | int] = ()) -> None:
    """Refuse to write a file that is one of `inputs`, by whatever name or link, or lies in a model folder.

    Args:
        option: how the user named it, for the sentence.
        inputs: paths or open descriptors; looked at only where `path` is there already.

    Raises:
        InputError: it is one of these, or a folder.
    """
    place = written_place(path)
    if os.path.isdir(place):
        raise InputError(f"{option} {path} is a folder: name a file")
    check_out_place(option, path)
    own = _identity(place) if is_replaced(place) else None
    if own is not None and any(_identity(source) == own for source in inputs):
        raise InputError(f"{option} {path} is read by the same command, and would be overwritten: name another file")


def check_out_place(option: str, path: Path) -> None:
    """Refuse to write a file or folder in a model folder, which is of one piece with what its digests vouch for.

    Raises:
        InputError: it would lie there.
        OSError: its name is none, or its links go in a circle.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.stat(path)
    for parent in Path(os.path.realpath(path)).parents:
        if all(os.path.isfile(parent / name) for name in MODEL_FILES):
            raise InputError(f"{option} {path} lies in the model folder {parent}: name another place")


def _identity(path: Path | str | int) -> tuple[int, int] | None:
    """What tells a file from all others, however it is called; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino

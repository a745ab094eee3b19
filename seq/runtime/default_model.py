"""The model that comes with the project, in `default/` beside this file: built by local/build_default_model.sh.

It is package data, found from a checkout and from a wheel; where it is not there, models are named.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from seq.errors import InputError
from seq.utils.outputs import MODEL_FILES
from seq.utils.run_folder import RunFolder

DEFAULT_MODEL: Final = Path(__file__).with_name("default")
NOTICE: Final = (
    "the model that comes with SpeechEQ is for research, not for commerce (CC BY-NC-SA 4.0; its LICENSE says more)"
)


def default_model() -> Path:
    """The folder of the model that comes with the project. Raises InputError where it is not there."""
    if not is_model_folder(DEFAULT_MODEL):
        raise InputError(
            f"no model is named, and none comes with this copy ({DEFAULT_MODEL} is not there): name a model folder "
            "that speecheq export wrote, before the recordings, or build that one with local/build_default_model.sh"
        )
    _announce()
    return DEFAULT_MODEL


@cache
def _announce() -> None:
    """Once in a process: whoever uses the weights should know what they may be used for."""
    print(NOTICE, file=sys.stderr)


def is_model_folder(path: Path) -> bool:
    """Whether a folder has a file that only model folders have; whether it is whole, its reader says."""
    # Not `Path.is_file`, which raises where a name is too long for one.
    return any(os.path.isfile(path / name) for name in MODEL_FILES)


def model_and_paths(arguments: Sequence[str], needs_path: bool = True) -> tuple[Path | None, list[str]]:
    """`[MODEL] PATH...`: the first one is the model where it is a model folder; None is the default one.

    Raises:
        InputError: there is a model, and nothing to judge where something is needed.
    """
    if not arguments:
        return None, []
    if not is_model_folder(Path(arguments[0])):
        if arguments[0] != "-" and not os.path.exists(arguments[0]) and (len(arguments) > 1 or not needs_path):
            raise InputError(f"{arguments[0]} is neither a model folder nor a recording: there is no such file")
        if os.path.isfile(RunFolder(Path(arguments[0])).run_json):
            raise InputError(f"{arguments[0]} is a run, and no model folder: export it first (speecheq export)")
        return None, list(arguments)
    if len(arguments) == 1 and needs_path:
        raise InputError(f"{arguments[0]} is a model folder: name recordings after it, or - for standard input")
    return Path(arguments[0]), list(arguments[1:])

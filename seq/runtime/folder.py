"""The model folder: what it must hold, and the check that it is whole. Read as JSON and ONNX, never unpickled.

model.json            labels, phones, features, calibration, protocol, scores, norms; SHA-256 of itself and of
model.onnx            waveform -> answers, for onnxruntime
model.safetensors     the same weights, for torch (seq.export.waveform_model)
README.md             the model card, free to be edited
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from seq.errors import InputError
from seq.utils.files import read_json, sha256

FORMAT = 1
DESCRIPTION = "model.json"
ONNX = "model.onnx"
WEIGHTS = "model.safetensors"
CARD = "README.md"

_REQUIRED = (
    "tasks",
    "emotions",
    "intensity_levels",
    "genders",
    "phones",
    "features",
    "calibration",
    "network",
    "files",
)


def description_digest(description: dict[str, Any]) -> str:
    """SHA-256 of a description without its own digest, independent of white space."""
    content = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_model_folder(folder: Path | str) -> dict[str, Any]:
    """Read model.json and check every file that it names.

    Raises:
        InputError: the folder or a file is missing, a file was altered, or the format is of another version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a model folder: write one with `speecheq export EXP --out DIR`")
    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{folder} has no {DESCRIPTION}, so it is no model folder: copy it again or export again")
    try:
        description = read_json(path)
    except InputError as error:
        if isinstance(error.__cause__, PermissionError):
            raise InputError(f"{path} cannot be read: change its permissions") from error
        raise InputError(f"{path} is damaged: copy the model folder again or export again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{path} is not of format {FORMAT}: export the model again with this version of SpeechEQ")
    if description.get("sha256") != description_digest(description):
        raise InputError(f"{path} was altered since the export: copy the model folder again or export again")
    if missing := [key for key in _REQUIRED if key not in description]:
        raise InputError(f"{path} lacks {', '.join(missing)}: export the model again")
    for name in (ONNX, WEIGHTS):
        _check_file(folder / name, description["files"].get(name))
    return description


def _check_file(path: Path, digest: str | None) -> None:
    if not path.is_file():
        raise InputError(f"{path} is missing: copy the model folder again or export again")
    if sha256(path) != digest:
        raise InputError(f"{path} was altered since the export: copy the model folder again or export again")

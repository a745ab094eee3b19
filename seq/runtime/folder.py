"""The model folder: what it must hold, and the check that it is whole. Read as JSON and ONNX, never unpickled.

model.json            tasks, features, calibration, protocol, scores, norms; SHA-256 of itself and of
model.onnx            waveform -> answers, for onnxruntime
model.safetensors     the same weights, for torch (seq.export.waveform_model)
README.md             the model card, free to be edited
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

from seq.errors import InputError
from seq.runtime.results import Catalogue
from seq.tasks.base import Outputs
from seq.tasks.registry import all_tasks
from seq.tasks.stand_in import stand_in
from seq.utils.files import read_json, sha256

FORMAT = 2
DESCRIPTION = "model.json"
ONNX = "model.onnx"
WEIGHTS = "model.safetensors"
CARD = "README.md"


class Features(TypedDict):
    """What the network reads."""

    extractor: str
    num_filters: int
    trim: bool
    sampling_rate: int
    min_samples: int
    # Of the network's frames.
    frame_seconds: float
    # Whether waveforms that go through the network together must be of one length.
    one_length: bool


class ProtocolRecord(TypedDict):
    """By which protocol a run was trained, and which of its folds."""

    name: str
    description: str
    speaker_disjoint: bool
    fold: int
    seed: int


class Description(TypedDict):
    """What model.json holds."""

    format: int
    version: str
    commit: str | None
    # What the numbers of each head stand for (`seq.tasks.base.Outputs`), by task.
    tasks: dict[str, dict[str, Any]]
    # The category that decides whether an answer is uncertain.
    main: str | None
    features: Features
    # `seq.models.model.ModelSpec`, for torch.
    network: dict[str, Any]
    # Those that were trained; a pretrained encoder has its own.
    num_parameters: int
    epoch: int
    corpus: str
    protocol: ProtocolRecord
    # Of valid and of test: by task, its metrics.
    scores: dict[str, dict[str, dict[str, float]]]
    # By task: temperature, threshold, and what they do (`seq.score.calibration`).
    calibration: dict[str, dict[str, Any]]
    training: dict[str, Any]
    # Sections that finetuning takes over.
    conf: dict[str, Any]
    # What a partial copy of the corpus lacked.
    missing: str | None
    norms: dict[str, Any] | None
    # The pretrained encoder inside (`seq.models.pretrained.spec.EncoderSpec`), if there is one.
    encoder: dict[str, Any] | None
    # What 8 bits cost on valid (`seq.export.int8`); None for a graph of 32 bits.
    int8: dict[str, Any] | None
    # The model that it was finetuned from, if it was.
    finetuned_from: dict[str, Any] | None
    # SHA-256 of the other files, and of this one.
    files: dict[str, str]
    sha256: str


_REQUIRED = ("tasks", "main", "features", "calibration", "network", "files")


def description_digest(description: Mapping[str, Any]) -> str:
    """SHA-256 of a description without its own digest, independent of white space."""
    content = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_model_folder(folder: Path | str) -> Description:
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
    return cast("Description", description)


def _check_file(path: Path, digest: str | None) -> None:
    if not path.is_file():
        raise InputError(f"{path} is missing: copy the model folder again or export again")
    if sha256(path) != digest:
        raise InputError(f"{path} was altered since the export: copy the model folder again or export again")


def read_catalogue(description: Description) -> Catalogue:
    """What the model answers. Raises InputError where it is of another version."""
    try:
        outputs = {name: Outputs.from_dict(data) for name, data in description["tasks"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the tasks of {DESCRIPTION} cannot be read: export the model again") from error
    known = {task.name: task for task in all_tasks()}
    tasks = [known.get(name) or stand_in(name, found.kind) for name, found in outputs.items()]
    return Catalogue(tuple(sorted(tasks, key=lambda task: task.order)), outputs, description["main"])

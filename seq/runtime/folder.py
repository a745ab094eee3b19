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
from typing import Annotated, Any, TypedDict

from seq.audio.reading import SAMPLING_RATE
from seq.errors import InputError
from seq.runtime.doubts import FittedOn, Heard, Unseen
from seq.runtime.results import Catalogue
from seq.runtime.speakers import Speakers
from seq.tasks.base import Outputs, Task
from seq.tasks.registry import all_tasks
from seq.tasks.stand_in import stand_in
from seq.utils.files import read_json, sha256
from seq.utils.outputs import MODEL_FILES
from seq.utils.typed_values import (
    Bounds,
    Finite,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
    read_typed,
)

FORMAT = 3
# These tell a model folder from others: nothing else is written into one.
DESCRIPTION, ONNX = MODEL_FILES
WEIGHTS = "model.safetensors"
CARD = "README.md"
# The output of the graph that the heads of the utterance read.
EMBEDDING = "embedding"


class _OneLength(TypedDict, total=False):
    # Whether waveforms that go through the network together must be of one length.
    one_length: bool


class Features(_OneLength):
    """What the network reads."""

    extractor: str
    num_filters: PositiveInt
    trim: bool
    sampling_rate: Annotated[int, Bounds(SAMPLING_RATE, SAMPLING_RATE)]
    min_samples: PositiveInt
    # Of the network's frames.
    frame_seconds: PositiveFloat


class ProtocolRecord(TypedDict):
    """By which protocol a run was trained, and which of its folds."""

    name: str
    description: str
    speaker_disjoint: bool
    fold: PositiveInt
    seed: NonNegativeInt


class Fitted(TypedDict):
    """What was fitted on valid for a category (`seq.score.calibration`); beside it, what that does."""

    temperature: Annotated[float, Bounds(0.01, 100)]
    threshold: Share


class Norm(TypedDict):
    """Of a measure in a corpus."""

    mean: Finite
    std: PositiveFloat


class Norms(TypedDict):
    """What is usual in a corpus (`seq.export.norms`); None where too few utterances say so."""

    corpus: str
    # By gender.
    pitch: dict[str, Norm | None]
    movement: Norm | None
    dynamics: Norm | None
    harmonicity: Norm | None
    rate: Norm | None


class Origin(TypedDict):
    """The model that another one was finetuned from."""

    name: str
    sha256: str
    corpus: str
    protocol: str
    new_emotions: list[str]
    # Its scores on test, by task.
    test: dict[str, dict[str, float]]
    finetuned_from: Origin | None


class Shared(TypedDict):
    """Of the speakers and of the sentences of a part of the fold, the share that is in train, too; None: not known."""

    speakers: Share | None
    sentences: Share | None


class SharedParts(TypedDict):
    """Of both parts that are not train."""

    valid: Shared
    test: Shared


class _Additions(TypedDict, total=False):
    # None where the audio of train was not at hand.
    heard: Heard | None
    # By task that spells: what it is worth on new sentences, and, of heads that are not in the folder, why.
    unseen: dict[str, Unseen]
    left_out: dict[str, str]
    # Of the threshold of `main`.
    fitted_on: FittedOn | None
    # What a partial copy of the corpus lacked.
    missing: str | None
    norms: Norms | None
    # None where the export could not hear the training speakers, or valid was too small to choose by.
    speakers: Speakers | None
    # The pretrained encoder inside (`seq.models.pretrained.spec.EncoderSpec`), if there is one.
    encoder: dict[str, Any] | None
    # What 8 bits cost on valid (`seq.export.int8`); None for a graph of 32 bits.
    int8: dict[str, Any] | None
    # The model that it was finetuned from, if it was.
    finetuned_from: Origin | None
    shared: SharedParts


class Description(_Additions):
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
    num_parameters: NonNegativeInt
    epoch: PositiveInt
    corpus: str
    protocol: ProtocolRecord
    # Of valid and of test: by task, its metrics.
    scores: dict[str, dict[str, dict[str, float]]]
    # Of every category.
    calibration: dict[str, Fitted]
    training: dict[str, Any]
    # Sections that finetuning takes over.
    conf: dict[str, Any]
    # SHA-256 of the other files, and of this one.
    files: dict[str, str]
    sha256: str


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
    found = read_typed(description, Description, f"{path} cannot be read, export the model again")
    for name in (ONNX, WEIGHTS):
        _check_file(folder / name, found["files"].get(name))
    return found


def _check_file(path: Path, digest: str | None) -> None:
    if not path.is_file():
        raise InputError(f"{path} is missing: copy the model folder again or export again")
    if sha256(path) != digest:
        raise InputError(f"{path} was altered since the export: copy the model folder again or export again")


def read_catalogue(description: Description) -> Catalogue:
    """What the model answers. Raises InputError where that contradicts itself, or is of another version."""
    complaint = f"{DESCRIPTION} cannot be read, export the model again"
    known = {task.name: task for task in all_tasks()}
    outputs: dict[str, Outputs] = {}
    tasks: list[Task] = []
    for name, data in description["tasks"].items():
        found = outputs[name] = Outputs.from_dict(data, f"{complaint}: tasks.{name}")
        if problem := _problem(found):
            raise InputError(f"{complaint}: tasks.{name} has {problem}")
        tasks.append(known.get(name) or stand_in(name, found.kind))
        if tasks[-1].kind != found.kind:
            raise InputError(f"{complaint}: tasks.{name} has the kind {found.kind}, and is a {tasks[-1].kind}")
    main = description["main"]
    for name in {*([] if main is None else [main]), *description["calibration"]}:
        if name not in outputs or outputs[name].kind != "category" or name not in description["calibration"]:
            raise InputError(f"{complaint}: {name} is no category, or not calibrated")
    return Catalogue(tuple(sorted(tasks, key=lambda task: task.order)), outputs, main)


def _problem(outputs: Outputs) -> str | None:
    """What numbers of a head cannot stand for; None if nothing."""
    labels = outputs.labels
    if outputs.kind in ("category", "sequence") and (not labels or len(set(labels)) < len(labels)):
        return "no labels, or one of them twice"
    if list(outputs.levels) != sorted({level for level in outputs.levels if 0 <= level <= 1}):
        return f"the levels {list(outputs.levels)}, which do not ascend from 0 to 1"
    if not outputs.low < outputs.high:
        return f"a low of {outputs.low:g} and a high of {outputs.high:g}"
    return None

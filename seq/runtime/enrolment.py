"""What `speecheq enroll` writes of a speaker, and how an answer changes by it. JSON, bound to one model by its digest.

The heads of the utterance are linear, so a vector that is shifted by d changes the graph's numbers by W d: the graph
answers as it does for anybody, and the rest is added. W is read from model.safetensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

import numpy as np

from seq.errors import InputError
from seq.runtime.folder import EMBEDDING, WEIGHTS, Description
from seq.runtime.results import Catalogue
from seq.runtime.speakers import Adaptation, Clips, Strengths, TrainingSpeakers
from seq.utils.files import read_json, write_json
from seq.utils.typed_values import Finite, NonNegativeFloat, NonNegativeInt, PositiveInt, read_typed

FORMAT: Final = 1


class Prototype(TypedDict):
    """Clips of one class, and the mean of their vectors."""

    number: PositiveInt
    mean: list[Finite]


class Enrolment(TypedDict):
    """What the file holds."""

    format: Literal[1]
    speaker: str
    # SHA-256 of the model's model.json.
    model: str
    number: NonNegativeInt
    mean: list[Finite]
    deviation: list[NonNegativeFloat]
    # By class.
    prototypes: dict[str, Prototype]


def write_enrolment(path: Path, speaker: str, description: Description, clips: Clips) -> None:
    """Write what was heard of a speaker by the model of this description."""
    prototypes: dict[str, Prototype] = {
        name: {"number": number, "mean": mean.tolist()} for name, (number, mean) in clips.prototypes.items()
    }
    found: Enrolment = {
        "format": FORMAT,
        "speaker": speaker,
        "model": description["sha256"],
        "number": clips.number,
        "mean": clips.mean.tolist(),
        "deviation": clips.deviation.tolist(),
        "prototypes": prototypes,
    }
    write_json(path, found)


def read_enrolment(path: Path, description: Description) -> Clips:
    """Inverse of `write_enrolment`.

    Raises:
        InputError: there is no such file, or it is damaged, of another version, or of another model.
    """
    complaint = f"--speaker {path} is not what this version of speecheq enroll writes, enroll the speaker again"
    if not path.is_file():
        raise InputError(f"--speaker {path} is not a file: write one with `speecheq enroll MODEL --speaker NAME CLIPS`")
    try:
        found = read_typed(read_json(path), Enrolment, complaint)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(complaint) else complaint) from error
    if found["model"] != description["sha256"]:
        raise InputError(
            f"--speaker {path} was made with another model ({found['model'][:12]}..., and this one is "
            f"{description['sha256'][:12]}...): enroll {found['speaker']} again with this one"
        )
    clips = Clips(
        found["number"],
        np.array(found["mean"]),
        np.array(found["deviation"]),
        {name: (one["number"], np.array(one["mean"])) for name, one in found["prototypes"].items()},
    )
    dims = {array.shape for array in (clips.mean, clips.deviation, *(mean for _, mean in clips.prototypes.values()))}
    if len(dims) > 1:
        raise InputError(f"{complaint}: its vectors have different lengths")
    return clips


def training_speakers(
    folder: Path, description: Description, catalogue: Catalogue
) -> tuple[TrainingSpeakers, Strengths]:
    """What a model folder says of its training speakers. Raises InputError where it says nothing."""
    found = description.get("speakers")
    if found is None:
        raise InputError(
            f"{folder} does not say what its training speakers are like, so nobody can be enrolled: export the model "
            "again with this version, from a run beside its recipe's data"
        )
    labels = () if catalogue.main is None else catalogue.outputs[catalogue.main].labels
    arrays = [np.array(found["mean"]), np.array(found["deviation"]), *map(np.array, found["classes"].values())]
    if set(found["classes"]) != set(labels) or len({array.shape for array in arrays}) > 1:
        raise InputError(f"{folder}: what it says of its training speakers is damaged: export the model again")
    classes = {label: np.array(found["classes"][label]) for label in labels}
    return TrainingSpeakers(arrays[0], arrays[1], classes), found["strengths"]


class KnownSpeaker:
    """A speaker whom a model was told of."""

    def __init__(self, folder: Path, description: Description, catalogue: Catalogue, path: Path) -> None:
        """Raises InputError where the model or the file says too little, or the file is of another model."""
        training, strengths = training_speakers(folder, description, catalogue)
        clips = read_enrolment(path, description)
        if clips.mean.shape != training.mean.shape or not clips.prototypes.keys() <= training.classes.keys():
            raise InputError(f"--speaker {path} is damaged: enroll the speaker again")
        self._adaptation = Adaptation(training, strengths, clips)
        self._main = catalogue.main
        heads = [task.name for task in catalogue.tasks if task.kind != "sequence" and not task.is_of_speaker]
        self._weights = _head_weights(folder / WEIGHTS, heads)

    def adapt(self, raw: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """What the graph gives for one utterance, with the numbers that its heads give for the normalised vector."""
        vector = raw[EMBEDDING].astype(np.float64)
        shift = self._adaptation.shift(vector)
        found = {**raw, **{name: raw[name] + weights @ shift for name, weights in self._weights.items()}}
        if self._main in self._weights:
            found[self._main] = found[self._main] + self._adaptation.class_shift(vector)
        return found


def _head_weights(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """(K, D) of every head. Raises InputError where safetensors is not installed."""
    try:
        from safetensors import safe_open
    except ModuleNotFoundError as error:
        raise InputError("--speaker needs safetensors: pip install safetensors") from error
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(f"heads.{name}.weight").astype(np.float64) for name in names}

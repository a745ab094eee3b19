"""model.json: what it must hold, even where somebody changed it and signed it again. Nothing here loads a network."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from seq.errors import InputError
from seq.runtime.folder import description_digest, read_catalogue, read_model_folder
from seq.utils.files import sha256, write_json


def outputs(kind: str, **found: object) -> dict[str, Any]:
    return {"kind": kind, "labels": [], "levels": [], "low": 0.0, "high": 1.0, **found}


DESCRIPTION: dict[str, Any] = {
    "format": 3,
    "version": "0.1.0",
    "commit": None,
    "tasks": {
        "emotion": outputs("category", labels=["neutral", "happy"]),
        "intensity": outputs("scale", levels=[0.0, 1.0]),
        "valence": outputs("value", low=1.0, high=5.0),
        "phone": outputs("sequence", labels=["<blk>", "A"]),
    },
    "main": "emotion",
    "features": {"extractor": "kaldi-fbank", "num_filters": 80, "trim": True, "sampling_rate": 16000,
                 "min_samples": 400, "frame_seconds": 0.04, "one_length": False},
    "network": {},
    "num_parameters": 10,
    "epoch": 1,
    "corpus": "tiny",
    "protocol": {"name": "p", "description": "d", "speaker_disjoint": True, "fold": 1, "seed": 0},
    "scores": {"valid": {}, "test": {"emotion": {"UA": 0.5, "spearman": float("nan")}}},
    "calibration": {"emotion": {"temperature": 1.5, "threshold": 0.4, "valid": {"ece_before": 0.1}}},
    "training": {},
    "conf": {},
    "missing": None,
    "norms": {"corpus": "tiny", "num_utterances": 9, "pitch": {"F": {"mean": 7.0, "std": 0.5}, "M": None},
              "movement": None, "dynamics": None, "harmonicity": None, "rate": {"mean": 5.0, "std": 1.0}},
    "finetuned_from": None,
}  # fmt: skip


def write_folder(folder: Path, key: str = "", value: object = None) -> Path:
    """A signed model folder of which one value, by dotted key, is another one; None takes it away."""
    for name in ("model.onnx", "model.safetensors"):
        (folder / name).write_bytes(b"x")
    description = copy.deepcopy(DESCRIPTION)
    description["files"] = {name: sha256(folder / name) for name in ("model.onnx", "model.safetensors")}
    if key:
        *sections, last = key.split(".")
        target = description
        for section in sections:
            target = target[section]
        target.pop(last) if value is None else target.update({last: value})
    write_json(folder / "model.json", {**description, "sha256": description_digest(description)})
    return folder


def test_a_whole_one_is_read(tmp_path: Path) -> None:
    description = read_model_folder(write_folder(tmp_path))
    assert [task.name for task in read_catalogue(description).tasks] == ["emotion", "intensity", "phone", "valence"]
    assert description["calibration"]["emotion"] == DESCRIPTION["calibration"]["emotion"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("tasks", None, "tasks is missing"),
        ("tasks", [], r"tasks is \[\]: it must be a mapping"),
        ("tasks.emotion", "happy", "tasks.emotion is 'happy': it must be a mapping"),
        ("tasks.emotion.labels", None, r"tasks\.emotion has no labels"),
        ("tasks.emotion.labels", "happy", r"tasks\.emotion: labels is 'happy': it must be a list"),
        ("tasks.emotion.labels", ["happy", 5], r"tasks\.emotion: labels\[1\] is 5: it must be text"),
        ("tasks.emotion.labels", ["happy", "happy"], r"tasks\.emotion has no labels, or one of them twice"),
        ("tasks.emotion.kind", "scale", r"tasks\.emotion has the kind scale, and is a category"),
        ("tasks.emotion.kind", 5, r"tasks\.emotion: kind is 5: it must be text"),
        ("tasks.emotion.more", 5, r"tasks\.emotion: unknown key more"),
        ("tasks.intensity.levels", [1.0, 0.0], r"tasks\.intensity has the levels \[1\.0, 0\.0\]"),
        ("tasks.intensity.levels", [0.0, float("nan")], r"tasks\.intensity has the levels"),
        ("tasks.intensity.levels", [0.0, 7], r"tasks\.intensity has the levels"),
        ("tasks.valence.high", 1.0, r"tasks\.valence has a low of 1 and a high of 1"),
        ("tasks.valence.low", float("-inf"), r"tasks\.valence: low is -inf"),
        ("main", "phone", "phone is no category, or not calibrated"),
        ("main", "gender", "gender is no category, or not calibrated"),
        ("main", 5, "main is 5"),
        ("calibration", {}, "emotion is no category, or not calibrated"),
        (
            "calibration.emotion.temperature",
            0,
            r"calibration\.emotion\.temperature is 0: it must be a number from",
        ),
        ("calibration.emotion.temperature", float("nan"), r"calibration\.emotion\.temperature is nan"),
        ("calibration.emotion.temperature", "hot", r"calibration\.emotion\.temperature is 'hot'"),
        ("calibration.emotion.threshold", 2, r"calibration\.emotion\.threshold is 2: it must be a number from 0 to 1"),
        ("calibration.emotion.threshold", None, r"calibration\.emotion\.threshold is missing"),
        ("features.frame_seconds", 0, r"features\.frame_seconds is 0: it must be a number above 0"),
        ("features.frame_seconds", None, r"features\.frame_seconds is missing"),
        ("features.sampling_rate", 8000, r"features\.sampling_rate is 8000: it must be .* 16000"),
        ("features", 5, "features is 5"),
        ("norms.rate.std", 0, r"norms\.rate\.std is 0: it must be a number above 0"),
        ("norms.pitch", [], r"norms\.pitch is \[\]"),
        ("protocol.fold", "one", r"protocol\.fold is 'one'"),
        ("files", 5, "files is 5"),
        ("finetuned_from", {"name": "x"}, r"finetuned_from\.\w+ is missing"),
    ],
)
def test_what_it_cannot_hold_is_named(tmp_path: Path, key: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=rf"model\.json cannot be read, export the model again: {said}"):
        read_catalogue(read_model_folder(write_folder(tmp_path, key, value)))

"""A small experiment on disk: four speakers, two folds, all four tasks, everything predicted right."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from seq.conf import Conf, CorpusConf, NameCount, ProtocolConf, RawName, RawValue
from seq.score.score import score_experiment
from seq.utils.files import read_jsonl, write_json, write_jsonl

SPEAKERS = ("01", "02", "03", "04")
# Raw emotion, intensity, sentence; excited is merged into happy.
UTTERANCES = (
    ("neutral", 0.0, "a"),
    ("happy", 2 / 3, "a"),
    ("excited", 1.0, "b"),
    ("sad", 2 / 3, "b"),
    ("sad", 1.0, "b"),
    ("neutral", 0.0, "b"),
)
EMOTIONS = ["neutral", "happy", "sad"]
PHONES = ["K", "IH1", "D", "Z"]
FOLDS = {
    1: {"train": ["04"], "valid": ["03"], "test": ["01", "02"]},
    2: {"train": ["02"], "valid": ["01"], "test": ["03", "04"]},
}


def make_conf(speaker_disjoint: bool = True) -> Conf:
    """The conf that belongs to the fake corpus."""
    corpus = CorpusConf(
        name="fake",
        reader="fake",
        emotion_counts=[NameCount("neutral", 8)],
        emotions=[RawName(name, name) for name in ("neutral", "happy", "excited", "sad")],
        intensities=[RawValue("1", 2 / 3), RawValue("2", 1.0)],
    )
    protocol = ProtocolConf(
        "two", "two folds", EMOTIONS, merges=[RawName("excited", "happy")], speaker_disjoint=speaker_disjoint
    )
    return Conf(corpus=corpus, protocols=[protocol])


def _prediction(cut: dict[str, Any], fold: int) -> dict[str, Any]:
    supervision = cut["supervisions"][0]
    custom, gender = supervision["custom"], supervision["gender"]
    emotion = "happy" if custom["emotion"] == "excited" else custom["emotion"]
    level = custom["intensity"]
    return {
        "id": cut["id"],
        "corpus": "fake",
        "fold": fold,
        "seed": 0,
        "speaker": supervision["speaker"],
        "emotion": {"ref": emotion, "hyp": emotion, "probs": {name: float(name == emotion) for name in EMOTIONS}},
        "intensity": {"ref": level, "hyp": level, "value": level, "probs": [level, level, level]},
        "gender": {"ref": gender, "hyp": gender, "probs": {"F": float(gender == "F"), "M": float(gender == "M")}},
        "phone": {"ref": PHONES, "hyp": PHONES},
    }


def make_experiment(root: Path) -> dict[str, Path]:
    """Write manifest, folds and perfect predictions (test and valid); returns the paths that scoring takes."""
    cuts = [
        {
            "id": f"{speaker}-{i}",
            "supervisions": [
                {
                    "id": f"{speaker}-{i}",
                    "speaker": speaker,
                    "gender": "M" if int(speaker) % 2 else "F",
                    "text": sentence,
                    "custom": {"emotion": emotion, "intensity": intensity, "sentence": sentence},
                }
            ],
        }
        for speaker in SPEAKERS
        for i, (emotion, intensity, sentence) in enumerate(UTTERANCES)
    ]
    paths = {
        "cuts": root / "data/manifests/fake_cuts.jsonl.gz",
        "folds_dir": root / "data/folds/two",
        "exp_dir": root / "exp/x_two",
    }
    write_jsonl(paths["cuts"], cuts)
    for fold, speakers in FOLDS.items():
        parts = {
            name: [cut["id"] for cut in cuts if cut["supervisions"][0]["speaker"] in who]
            for name, who in speakers.items()
        }
        write_json(paths["folds_dir"] / f"fold_{fold}.json", {"protocol": "two", "fold": fold, **parts})
        for part, name in (("test", "predictions.jsonl"), ("valid", "valid_predictions.jsonl")):
            rows = [_prediction(cut, fold) for cut in cuts if cut["id"] in parts[part]]
            write_jsonl(predictions_path(paths["exp_dir"], fold, name=name), rows)
    return paths


def predictions_path(exp_dir: Path, fold: int, seed: int = 0, name: str = "predictions.jsonl") -> Path:
    """Where the predictions of a run are."""
    return exp_dir / f"fold_{fold}" / f"seed_{seed}" / name


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of predictions.jsonl by id, to be changed and written again."""
    return {row["id"]: copy.deepcopy(row) for row in read_jsonl(path)}


def make_scores(root: Path, speaker_disjoint: bool = True) -> dict[str, Path]:
    """Score an experiment with one wrong answer; returns the paths that `write_report` takes."""
    paths = make_experiment(root)
    path = predictions_path(paths["exp_dir"], 1)
    rows = read_rows(path)
    rows["01-0"]["emotion"]["hyp"] = "sad"
    write_jsonl(path, rows.values())
    valid = [{"emotion": {"loss": 4 / e, "UA": 1 - 1 / e}} for e in (1, 2, 3)]
    history = [{"epoch": e, "train": {"loss": 3 / e}, "valid": scores} for e, scores in enumerate(valid, start=1)]
    write_jsonl(path.with_name("history.jsonl"), history)
    scores = score_experiment(make_conf(speaker_disjoint), "two", **paths, command="./run.sh --folds 1,2")
    write_json(paths["exp_dir"] / "scores.json", scores)
    return {
        "scores_path": paths["exp_dir"] / "scores.json",
        "exp_dir": paths["exp_dir"],
        "out": paths["exp_dir"] / "report.md",
    }


def cells(table: str, row: str) -> list[str]:
    """The cells of a row of a Markdown table, its name first."""
    line = next(line for line in table.splitlines() if line.startswith(f"| {row} "))
    return [cell.strip() for cell in line.strip("|").split("|")]

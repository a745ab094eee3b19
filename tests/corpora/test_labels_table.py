"""The table of the unified metric: from confs alone, and with the counts of a manifest."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from seq.cli import main
from seq.errors import InputError
from seq.utils.files import write_jsonl

ROOT = Path(__file__).resolve().parents[2]
CONF = """
corpus:
  name: toy
  reader: toy
  emotions: [{raw: "N", name: neutral}, {raw: "A", name: angry}]
  intensities: [{raw: "LO", value: 0.333}, {raw: "HI", value: 1.0}]
  scales: {intensity: {low: 0, high: 100}}
protocols: [{name: p, description: d, emotions: [neutral, angry]}]
"""


def table(capsys: pytest.CaptureFixture[str], *args: str) -> list[list[str]]:
    assert main(["labels", *args, "--format", "tsv"]) == 0
    return list(csv.reader(io.StringIO(capsys.readouterr().out), delimiter="\t"))[1:]


def test_real_confs(capsys: pytest.CaptureFixture[str]) -> None:
    # Of a fresh checkout: no recipe may have run in it for the counts to be missing.
    rows = {tuple(row[:5]) for row in table(capsys)}
    assert ("ravdess", "01", "neutral", "–", "0.000") in rows or ("ravdess", "01", "neutral", "01", "0.000") in rows
    assert ("ravdess", "05", "angry", "02", "1.000") in rows
    # CASIA does not rate intensity, its neutral included.
    assert ("casia", "neutral", "neutral", "–", "–") in rows
    assert "unified" not in {row[0] for row in rows}


def test_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy/conf").mkdir(parents=True)
    (tmp_path / "toy/conf/default.yaml").write_text(CONF)
    assert ["toy", "A", "angry", "a rating", "0.000 to 1.000", "–"] in table(capsys, "--egs", str(tmp_path))
    labels = [
        ("N", "neutral", None, 0.0),
        ("A", "angry", "LO", 0.333),
        ("A", "angry", "LO", 0.333),
        ("A", "angry", "40", 0.4),
        ("A", "angry", "70", 0.7),
        ("A", "angry", None, None),
    ]
    names = ("raw_emotion", "emotion", "raw_intensity", "intensity")
    customs = [{k: v for k, v in zip(names, row, strict=True) if v is not None} for row in labels]
    path = tmp_path / "toy/data/manifests/toy_cuts.jsonl.gz"
    write_jsonl(path, ({"id": str(i), "supervisions": [{"custom": custom}]} for i, custom in enumerate(customs)))
    assert sorted(table(capsys, "toy", "--egs", str(tmp_path))) == sorted(
        [
            ["toy", "N", "neutral", "–", "0.000", "1"],
            ["toy", "A", "angry", "LO", "0.333", "2"],
            ["toy", "A", "angry", "a rating", "0.400 to 0.700", "2"],
            ["toy", "A", "angry", "–", "–", "1"],
        ]
    )
    with pytest.raises(InputError, match="has no recipe nobody; it has toy"):
        main(["labels", "nobody", "--egs", str(tmp_path)])

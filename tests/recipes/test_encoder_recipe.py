"""A recipe on a pretrained encoder as its users run it: all stages on a miniature, then a model that predicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recipe_trees import make_tree, run
from tiny_encoders import save_encoder

from seq.cli import main
from seq.corpora.miniature import write_miniature
from seq.utils.files import read_json, read_jsonl

pytest.importorskip("transformers")


def test_ravdess_on_whisper_from_audio_to_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree, mini = make_tree(tmp_path / "tree"), tmp_path / "mini"
    recipe = tree / "egs/ravdess"
    write_miniature("ravdess", mini, recipe / "conf/default.yaml")
    # Real in its layout and tiny in its sizes.
    encoder = save_encoder(tmp_path / "models/whisper-tiny.en")
    options = ["--corpus-dir", str(mini), "--conf", str(mini / "miniature.yaml"), "--model", "whisper-tiny.en"]
    options += ["--set", f"model.pretrained.path={encoder}", "--folds", "1", "--nj", "1", "--device", "cpu"]
    sizes = ["train.num_epochs=2"]
    first = run(tree, "ravdess", *options, sizes=sizes)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "heard by openai/whisper-tiny.en at the speeds 0.9, 1, 1.1" in first.stdout
    exp = recipe / "exp/miniature_whisper-tiny.en_emobox"
    scores = read_json(exp / "scores.json")
    assert set(scores["tasks"]) == {"emotion", "intensity", "gender", "phone"}
    spec = read_json(recipe / "data/encoder/whisper-tiny.en/encoder.json")
    assert (
        scores["runs"][0]["encoder"] == spec and spec["name"] == "openai/whisper-tiny.en" and spec["licence"] == "MIT"
    )
    assert scores["pooled"]["emotion"]["n"] > 0 and "| " in (exp / "report.md").read_text()
    assert not (recipe / "data/fbank").exists()
    # What is done is done, without the encoder.
    encoder.rename(tmp_path / "whisper-tiny.en")
    again = run(tree, "ravdess", *options, sizes=sizes)
    assert again.returncode == 0 and again.stdout.count("up to date") == 9
    # Exported from where it is now, it says of the recordings what decoding said of what stage 2 had kept.
    out = tmp_path / "model"
    assert main(["export", str(exp), "--out", str(out), "--encoder", str(tmp_path / "whisper-tiny.en")]) == 0
    # Its licence is known, so that there is nothing to warn of.
    assert "find out whether" not in capsys.readouterr().out
    audio = {cut["id"]: cut["recording"]["sources"][0]["source"]
             for cut in read_jsonl(recipe / "data/manifests/ravdess_cuts.jsonl.gz")}  # fmt: skip
    rows = {audio[row["id"]]: row for row in read_jsonl(exp / "fold_1/seed_0/predictions.jsonl")}
    chosen = sorted(rows)[::5]
    assert main(["predict", str(out), *chosen, "--describe", "--jobs", "1"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["path"] for row in said] == chosen
    assert [row["emotion"]["label"] for row in said] == [rows[path]["emotion"]["hyp"] for path in chosen]
    assert all(row["description"] for row in said)

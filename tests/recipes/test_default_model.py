"""local/build_default_model.sh on miniatures of both corpora and an encoder of no size, from audio to an answer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import soundfile
from recipe_trees import SMALL, environment, make_tree
from tiny_encoders import save_encoder

from seq import load
from seq.corpora.miniature import write_miniature
from seq.utils.files import read_json

pytest.importorskip("transformers")
pytest.importorskip("espeakng_loader")

SETTINGS = [*SMALL, "train.num_epochs=1", "augment.copies=1"]


def test_the_model_that_comes_with_the_project_is_built(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    command = [str(tree / "local/build_default_model.sh"), "--nj", "1", "--device", "cpu", "--allow-partial"]
    for corpus in ("ravdess", "nemo"):
        write_miniature(corpus, tmp_path / corpus, tree / f"egs/{corpus}/conf/default.yaml")
        command += [f"--{corpus}", str(tmp_path / corpus)]
    encoder = save_encoder(tmp_path / "whisper-tiny.en")
    for setting in (*SETTINGS, f"model.pretrained.path={encoder}"):
        command += ["--set", setting]

    def build() -> str:
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "phones are left out, since nobody knows" in build()
    out = tree / "seq/runtime/default"
    assert {path.name for path in out.iterdir()} == {
        "model.json", "model.onnx", "model.safetensors", "README.md", "LICENSE"
    }  # fmt: skip
    description = read_json(out / "model.json")
    assert description["protocol"]["name"] == "whole" and description["int8"]["num_utterances"] > 0
    assert description["scores"]["test"] == {} and description["heard"]["bands"] == ["narrow", "wide"]
    assert len(description["fitted_on"]["conditions"]) == 17
    fold = read_json(tree / "egs/unified/data/folds/whole/fold_1.json")
    assert fold["test"] == [] and fold["untested"]
    card = (out / "README.md").read_text(encoding="utf-8")
    num_train = {name: sum(id_ in text for id_ in fold["train"]) for name, text in _manifests(tree).items()}
    assert all(f"| {name} | {number} of " in card for name, number in num_train.items())
    for said in (
        "For research, not for commerce",
        "Not measured: `whisper-tiny.en-robust_emobox` of egs/ravdess was not trained.",
        "Not measured: `whisper-tiny.en-robust_loso` of egs/nemo was not trained.",
        "| 9: 1, 2, 3, 4, 5, 6, 7, 8, 9 |",
        "Of the corpora, in part:",
    ):
        assert said in card, said
    assert "CC BY-NC-SA 4.0" in (out / "LICENSE").read_text(encoding="utf-8")
    audio = next((tmp_path / "nemo/samples").iterdir())
    samples, rate = soundfile.read(audio, dtype="float32")
    assert load(out)(samples, rate).emotion is not None


def _manifests(tree: Path) -> dict[str, str]:
    """By corpus, the text of its manifest."""
    import gzip

    return {
        name: gzip.decompress((tree / f"egs/{name}/data/manifests/{name}_cuts.jsonl.gz").read_bytes()).decode()
        for name in ("ravdess", "nemo")
    }

"""The runner where the model stands on a pretrained encoder: asked for before anything works, and where it matters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_recipe import SCRIPTS, Toy

MODEL = "whisper-tiny.en"
ENCODER = ("--model", MODEL)


def write_encoder(folder: Path) -> tuple[str, str]:
    """A checkpoint as far as the runner looks at one; returns what names it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return "--set", f"model.pretrained.path={folder}"


def new_toy(folder: Path) -> Toy:
    """A recipe that has not run yet, on a machine without a model hub."""
    toy = Toy(folder / "tree")
    toy.build()
    toy.env |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "HF_HUB_CACHE": ""}
    return toy


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Toy, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("finished")
    toy = new_toy(folder)
    place = write_encoder(folder / "models" / MODEL)
    toy.run("--corpus-dir", str(toy.corpus), *ENCODER, *place)
    assert tuple(toy.names()) == SCRIPTS
    return toy, place


@pytest.fixture
def toy(finished: tuple[Toy, tuple[str, str]]) -> Iterator[Toy]:
    """The finished recipe; its state is put back afterwards."""
    toy, _ = finished
    saved = toy.root.with_name("saved")
    shutil.copytree(toy.root, saved)
    yield toy
    shutil.rmtree(toy.root)
    saved.rename(toy.root)


def test_an_encoder_that_is_not_at_hand_is_said_before_anything_works(tmp_path: Path) -> None:
    toy = new_toy(tmp_path)
    pytest.importorskip("huggingface_hub")
    options = ("--corpus-dir", str(toy.corpus), *ENCODER)
    message = toy.run(*options, code=2)
    assert message.startswith(f"error: the encoder openai/{MODEL} (revision main) is not on this machine")
    assert message.count("\n") == 1
    for way in ("--set model.pretrained.path=DIR", str(tmp_path / "hub"), "--model scratch"):
        assert way in message, way
    missing = toy.run(*options, "--set", f"model.pretrained.path={tmp_path / 'none'}", code=2)
    assert f"folder {tmp_path / 'none'} does not exist" in missing and missing.count("\n") == 1
    # What is mistyped is said first: it must not cost a download.
    assert "num_epochs" in toy.run(*options, "--set", "train.num_epochs=many", code=2)
    assert toy.calls() == [] and not (toy.recipe / "data").exists() and not (toy.recipe / "exp").exists()
    # What does not need it does not ask for it.
    toy.run(*options, "--stop-stage", "1")
    assert toy.names() == ["prepare_corpus", "prepare_manifests"]
    toy.run("--model", "scratch", "--stop-stage", "2")
    assert toy.names() == ["compute_features"]


def test_where_stage_2_has_heard_it_the_encoder_may_be_gone(toy: Toy, finished: tuple[Toy, tuple[str, str]]) -> None:
    _, place = finished
    folder = Path(place[1].partition("=")[2])
    folder.rename(folder.with_name("away"))
    try:
        assert toy.run(*ENCODER, *place).count("up to date") == 9
        toy.run(*ENCODER, *place, "--set", "train.num_epochs=3", "--stop-stage", "5")
        assert toy.names() == ["train_model"]
    finally:
        folder.with_name("away").rename(folder)


def test_stage_2_follows_what_is_heard(toy: Toy, finished: tuple[Toy, tuple[str, str]], tmp_path: Path) -> None:
    _, place = finished

    def stage_2(*settings: str) -> str:
        output = toy.run(*ENCODER, *place, *(f"--set={setting}" for setting in settings), "--stop-stage", "2")
        return next(line for line in output.splitlines() if "stage 2 features" in line)

    assert "up to date" in stage_2()
    # What training does with it is another matter.
    assert "up to date" in stage_2("model.pretrained.lora_alpha=3", "model.channels=8", "train.num_epochs=3")
    settings: list[str] = []
    changes = ("augment.speeds=[1.0, 0.8]", "augment.on_the_fly=true", "model.pretrained.revision=v1")
    for setting in (*changes, write_encoder(tmp_path / MODEL)[1]):
        settings.append(setting)
        assert f"stage 2 features: conf {setting.partition('=')[0]} changed" in stage_2(*settings)
        assert dict(toy.calls())["compute_features"]["--out"] == f"data/encoder/{MODEL}/toy_cuts.jsonl.gz"
    # Another cut through the encoder, or a folder of another name, has a place of its own.
    for name, setting in ((f"{MODEL}-top2", "model.pretrained.trained_layers=2"), ("mine", "")):
        toy.calls()
        assert "not done yet" in stage_2(setting or write_encoder(tmp_path / "mine")[1])
        assert dict(toy.calls())["compute_features"]["--out"] == f"data/encoder/{name}/toy_cuts.jsonl.gz"


def test_filter_banks_do_not_follow_it(toy: Toy) -> None:
    toy.run("--model", "scratch", "--stop-stage", "2")
    assert [args["--out"] for _, args in toy.calls()] == ["data/fbank/toy_cuts.jsonl.gz"]
    settings = ("augment.speeds=[0.8]", "model.pretrained.path=/none", "model.pretrained.trained_layers=1")
    output = toy.run("--model", "scratch", *(f"--set={setting}" for setting in settings), "--stop-stage", "2")
    assert output.count("up to date") == 3 and toy.calls() == []

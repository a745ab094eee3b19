"""Finetuning a model on a pretrained encoder: with the encoder at hand; one sentence without it, or with another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from encoder_experiment import encoder_experiment_conf, open_experiment, record_corpus
from own_recordings import finetune, make_table, run_of
from safetensors.torch import load_file
from tiny_encoders import save_encoder

from seq.decode.run import decode_run
from seq.errors import InputError
from seq.export.run import export_run
from seq.runtime import load_model
from seq.train.optimizer import UPPER_LAYERS
from seq.train.run import train_run
from seq.utils.files import read_json, read_jsonl

pytest.importorskip("transformers")
pytest.importorskip("peft")

KINDS = {"frozen": {}, "adapted": {"trained_layers": 1, "lora_rank": 2}}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is when a model is finetuned; another place than when it was trained."""
    return save_encoder(tmp_path_factory.mktemp("encoder") / "whisper")


@pytest.fixture(scope="module")
def models(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    recipe, out = tmp_path_factory.mktemp("recipe"), tmp_path_factory.mktemp("models")
    record_corpus(recipe)
    then = Path(shutil.copytree(encoder, recipe / "whisper"))
    for kind, settings in KINDS.items():
        experiment = open_experiment(recipe, encoder_experiment_conf(then, **settings), kind)
        train_run(experiment, 1, 0)
        decode_run(experiment, 1, 0)
        export_run(experiment.run_dir(1, 0), out / kind)
    shutil.rmtree(then)
    return {kind: out / kind for kind in KINDS}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_table(tmp_path_factory.mktemp("corpus"), ["neutral", "sad", "angry"], ["anna", "bert", "cora"])


def offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model hub, and nothing of it in a cache."""
    monkeypatch.setenv("HF_HOME", str(folder / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    # Whoever was imported before has read the variable already.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_from_the_model_on_the_same_encoder(
    kind: str, models: dict[str, Path], encoder: Path, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    assert finetune(models[kind], table, out, "--set", f"model.pretrained.path={encoder}") == 0
    audio = sorted((table.parent / "my audio").rglob("*.wav"))
    before, after = load_model(models[kind]), load_model(out)
    said = {row["id"]: row for row in read_jsonl(run_of(out, "before") / "predictions.jsonl")}
    cuts = {cut["id"]: cut for cut in read_jsonl(tmp_path / "mine.work/data/manifests/own_cuts.jsonl.gz")}
    assert len(cuts) == len(audio) == 18 and len(said) == 6
    temperature = before.description["calibration"]["emotion"]["temperature"]
    for id_, row in said.items():
        # As it came, it says of what stage 2 kept of a recording what the exported graph says of the recording.
        found = before.predict_file(cuts[id_]["recording"]["sources"][0]["source"])
        assert found.emotion and found.emotion.label == row["emotion"]["hyp"]
        calibrated = {name: row["emotion"]["probs"][name] ** (1 / temperature) for name in found.emotion.probs}
        total = sum(calibrated.values())
        assert found.emotion.probs == pytest.approx({k: v / total for k, v in calibrated.items()}, abs=5e-3)
    assert after.catalogue.outputs["emotion"].labels == ("neutral", "happy", "sad", "angry")
    result = after.predict_file(audio[0])
    assert result.emotion and "angry" in result.emotion.probs
    old, start, new = (
        load_file(path)
        for path in (
            models[kind] / "model.safetensors",
            tmp_path / "mine.work/start.safetensors",
            out / "model.safetensors",
        )
    )
    upper = {name for name in old if name.startswith(UPPER_LAYERS)}
    assert old.keys() == start.keys() == new.keys() and bool(upper) == (kind == "adapted")
    assert all(torch.equal(start[name], value) for name, value in old.items() if "heads.emotion" not in name)
    # Adapters learn, too; what is usual in speech stays what the model took it for.
    assert all(not torch.equal(new[name], old[name]) for name in upper)
    assert torch.equal(new["front_end.mean"], old["front_end.mean"])
    descriptions = [read_json(folder / "model.json") for folder in (models[kind], out)]
    assert descriptions[0]["encoder"] == descriptions[1]["encoder"]
    assert str(encoder) not in (out / "model.json").read_text(encoding="utf-8")
    # What it hears of an encoder that is trained above is another cache than of one that is not.
    folder = "whisper-top1" if kind == "adapted" else "whisper"
    assert (tmp_path / f"mine.work/data/encoder/{folder}/encoder.json").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_encoder_or_with_another_nothing_is_written(
    kind: str, models: dict[str, Path], encoder: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(tmp_path, monkeypatch)
    with pytest.raises(InputError) as error:
        finetune(models[kind], table, tmp_path / "mine")
    message = str(error.value)
    assert message.startswith("the encoder tiny/whisper (revision main) is not on this machine")
    assert "--set model.pretrained.path=DIR" in message and "\n" not in message
    other = save_encoder(tmp_path / "other", seed=1)
    with pytest.raises(
        InputError, match=r"other holds another encoder than tiny/whisper .* model\.pretrained\.path=DIR"
    ):
        finetune(models[kind], table, tmp_path / "mine", "--set", f"model.pretrained.path={other}")
    # Only where it is may be said, not what.
    place = ("--set", f"model.pretrained.path={encoder}")
    with pytest.raises(InputError, match=r"--set model\.pretrained\.name=x: finetuning keeps the network"):
        finetune(models[kind], table, tmp_path / "mine", *place, "--set", "model.pretrained.name=x")
    assert {path.name for path in tmp_path.iterdir()} == {"other"}

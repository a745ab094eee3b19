"""The model that comes with the project: found without its name, named where it is not there, said what it is for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_builders import real_ravdess, speech_like
from exported_model import make_model_folder

from seq import load
from seq.cli import main
from seq.errors import InputError
from seq.runtime import default_model

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "recordings/a.wav"
    path.parent.mkdir()
    soundfile.write(path, speech_like(0.8, RATE, seed=1), RATE)
    return path


def test_without_it_a_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, audio: Path, model: Path
) -> None:
    monkeypatch.setattr(default_model, "DEFAULT_MODEL", tmp_path / "default")
    for ask in (load, lambda: main(["predict", str(audio)]), lambda: main(["demo"])):
        with pytest.raises(InputError, match=r"name a model folder .*local/build_default_model\.sh"):
            ask()
    # A folder of recordings is no model, and a model alone is nothing to judge.
    with pytest.raises(InputError, match="none comes with this copy"):
        main(["predict", str(audio.parent), str(audio)])
    with pytest.raises(InputError, match="is a model folder: name recordings after it"):
        main(["predict", str(model)])


def test_it_answers_without_being_named_and_says_what_it_is_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, audio: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(default_model, "DEFAULT_MODEL", Path(shutil.copytree(model, tmp_path / "default")))
    default_model._announce.cache_clear()
    assert main(["predict", str(audio.parent), str(audio)]) == 0
    said = capsys.readouterr()
    assert said.err.count("for research, not for commerce") == 1 and len(said.out.splitlines()) == 2
    # Once in a process, and never of a model of one's own.
    assert load().predict_file(audio).emotion == load(model).predict_file(audio).emotion
    assert main(["predict", str(model), str(audio)]) == 0
    mine = capsys.readouterr()
    assert "commerce" not in mine.err and said.out.splitlines()[1] == mine.out.strip()


def test_a_wheel_has_it(tmp_path: Path) -> None:
    tomllib = pytest.importorskip("tomllib")
    from setuptools import Distribution
    from setuptools.command.build_py import build_py

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["license"] == "Apache-2.0 AND CC-BY-NC-SA-4.0 AND MIT"
    assert all((ROOT / name).is_file() for name in project["project"]["license-files"])
    runtime = tmp_path / "seq/runtime"
    (runtime / "default").mkdir(parents=True)
    (runtime / "__init__.py").touch()
    names = {"model.json", "model.onnx", "model.safetensors", "README.md", "LICENSE"}
    for name in names:
        (runtime / "default" / name).touch()
    command = build_py(Distribution({"package_dir": {"seq.runtime": str(runtime)}, "packages": ["seq.runtime"],
                                     "package_data": project["tool"]["setuptools"]["package-data"]}))  # fmt: skip
    command.finalize_options()
    command.manifest_files = {}
    assert {Path(name).name for name in command.find_data_files("seq.runtime", str(runtime))} == names


def test_what_is_committed_is_small_licensed_and_the_same_at_any_level() -> None:
    folder = default_model.DEFAULT_MODEL
    size = sum((folder / name).stat().st_size for name in ("model.onnx", "model.safetensors", "model.json"))
    assert size <= 12_000_000
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE-MODEL").read_bytes()
    card = (folder / "README.md").read_text(encoding="utf-8")
    for said in ("For research, not for commerce", "ravdess", "nemo", "pink 10 dB", "mu-law", "PER"):
        assert said in card, said
    model, samples = load(), speech_like(1.5, RATE, seed=2)
    loud, quiet = (model(gain * samples, RATE).emotion.probs for gain in (1.0, 0.1))
    assert quiet == pytest.approx(loud, abs=1e-2)


@pytest.mark.skipif(real_ravdess() is None, reason="no RAVDESS: set SPEECHEQ_RAVDESS to its folder")
def test_it_knows_what_actors_feel_whom_training_has_not_heard() -> None:
    folder, model = real_ravdess(), load()
    assert folder is not None
    emotions = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]
    # Of valid, whose speakers chose the epoch and the threshold, and nothing else.
    paths = sorted(path for actor in ("05", "08") for path in folder.glob(f"Actor_{actor}/03-01-*"))[::2]
    answers = [model.predict_file(path) for path in paths]
    right = [
        answer.emotion.label == emotions[int(path.name.split("-")[2]) - 1]
        for path, answer in zip(paths, answers, strict=True)
    ]
    assert len(right) == 60 and np.mean(right) > 0.6
    assert np.mean([ok for ok, answer in zip(right, answers, strict=True) if not answer.uncertain]) > np.mean(right)

"""Training on a pretrained encoder: the same weights whatever stopped it, none of them the encoder's or another's."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from encoder_experiment import SPEEDS, encoder_experiment_conf, open_experiment, record_corpus
from safetensors.torch import load_file
from tiny_encoders import save_encoder

from seq.conf import conf_from_dict, conf_to_dict
from seq.data import batches
from seq.data.encoded import Heard, load_heard
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.score.score import score_experiment
from seq.train.checkpoint import checkpoint_path, load_checkpoint, load_model, read_pointer
from seq.train.experiment import Experiment
from seq.train.loaders import open_loaders
from seq.train.optimizer import UPPER_LAYERS, learning_rate
from seq.train.run import train_run
from seq.train.run_data import RunData
from seq.train.trainer import Trainer
from seq.utils.files import read_json, read_jsonl

pytest.importorskip("transformers")
pytest.importorskip("peft")

ROOT = Path(__file__).parents[2]
ADAPTED = {"trained_layers": 1, "lora_rank": 2}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_encoder(tmp_path_factory.mktemp("encoder") / "whisper")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    record_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def frozen(recipe: Path, encoder: Path) -> Experiment:
    return open_experiment(recipe, encoder_experiment_conf(encoder, num_epochs=4))


@pytest.fixture(scope="module")
def adapted(recipe: Path, encoder: Path) -> Experiment:
    return open_experiment(recipe, encoder_experiment_conf(encoder, **ADAPTED, num_epochs=4))


def named(experiment: Experiment, name: str) -> Experiment:
    """The same experiment in a folder of its own."""
    return replace(experiment, exp_dir=experiment.exp_dir.with_name(name))


def trainer_of(experiment: Experiment) -> Trainer:
    return Trainer(experiment.conf, RunData(experiment, 1, 0), experiment.run_dir(1, 0), "cpu")


def state_of(experiment: Experiment, epoch: int = 4) -> dict:
    return load_checkpoint(checkpoint_path(experiment.run_dir(1, 0), epoch))


# What trains from the cache where transformers and peft cannot be imported.
WITHOUT = """
import pickle, sys
sys.modules["transformers"] = sys.modules["peft"] = None
sys.path[:0] = sys.argv[1:3]
from seq.decode.run import decode_run
from seq.train.run import train_run
experiment = pickle.load(open(sys.argv[3], "rb"))
train_run(experiment, 1, 0)
decode_run(experiment, 1, 0)
"""


def train_without_transformers(experiment: Experiment, folder: Path) -> None:
    (folder / "experiment.pkl").write_bytes(pickle.dumps(experiment))
    arguments = [str(ROOT / "tests/helpers"), str(ROOT), str(folder / "experiment.pkl")]
    subprocess.run([sys.executable, "-c", WITHOUT, *arguments], check=True, stderr=subprocess.DEVNULL, timeout=300)


@pytest.mark.parametrize("kind", ["frozen", "adapted"])
def test_two_plus_two_epochs_equal_four_and_no_weight_is_the_encoder_s(
    kind: str, request: pytest.FixtureRequest, encoder: Path, tmp_path: Path
) -> None:
    experiment = request.getfixturevalue(kind)
    straight, halted = (named(experiment, f"{kind}-{name}") for name in ("straight", "halted"))
    if kind == "frozen":
        # What stage 2 kept is all that is needed.
        train_without_transformers(straight, tmp_path)
    else:
        train_run(straight, 1, 0)
        decode_run(straight, 1, 0)
    trainer_of(halted).run(stop_after_epoch=2)
    assert read_pointer(halted.run_dir(1, 0), "last") == 2
    train_run(halted, 1, 0)
    first, second = state_of(straight), state_of(halted)
    for part in ("model", "model_avg"):
        assert first[part].keys() == second[part].keys()
        for name, value in first[part].items():
            assert torch.equal(value, second[part][name]), name
    decode_run(halted, 1, 0)
    rows = [list(read_jsonl(e.run_dir(1, 0) / "predictions.jsonl")) for e in (straight, halted)]
    assert rows[0] == rows[1] and len(rows[0]) == 9
    upper = {name for name in first["model"] if name.startswith(UPPER_LAYERS)}
    assert all(".lora_" in name for name in upper) and bool(upper) == (kind == "adapted")
    of_encoder = [value for value in load_file(encoder / "model.safetensors").values() if value.dim() > 1]
    for name, value in first["model"].items():
        assert not any(value.shape == other.shape and torch.equal(value, other) for other in of_encoder), name


def test_speeds_are_drawn_in_training_and_nowhere_else(frozen: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, float]] = []

    def noted(cut: object, speed: float = 1.0) -> Heard:
        heard.append((cut.id, speed))  # type: ignore[attr-defined]
        return load_heard(cut, speed)

    trainer = trainer_of(named(frozen, "speeds"))
    monkeypatch.setattr(batches, "load_heard", noted)
    trainer.run(stop_after_epoch=2)
    train = set(trainer.data.fold.train)
    epochs = [dict(heard[start : start + len(train)]) for start in (0, len(heard) // 2)]
    assert all(epoch.keys() == train and set(epoch.values()) == set(SPEEDS) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert {speed for name, speed in heard if name not in train} == {1.0}
    # An epoch's draws follow from the seed.
    again = dict(heard[: len(train)])
    heard.clear()
    shutil.rmtree(trainer.run_dir)
    trainer_of(named(frozen, "speeds")).run(stop_after_epoch=1)
    # Normalisation is fitted on the train part as it is.
    assert dict(heard[: len(train)]) == dict.fromkeys(train, 1.0)
    assert dict(heard[len(train) : 2 * len(train)]) == again


def batches_of(experiment: Experiment) -> Iterator[batches.Batch]:
    trainer = trainer_of(experiment)
    return iter(open_loaders(experiment.conf, trainer.data, trainer.model.front_end, trainer.device, 0, 1)[0])


def test_on_the_fly_hears_what_stage_2_kept(frozen: Experiment, encoder: Path) -> None:
    conf = encoder_experiment_conf(encoder)
    conf.augment.speeds = [1.0]
    cached = named(replace(frozen, conf=conf), "cached")
    conf = conf_from_dict(conf_to_dict(conf))
    conf.augment.on_the_fly = True
    flying = named(replace(frozen, conf=conf), "flying")
    for kept, heard in zip(batches_of(cached), batches_of(flying), strict=True):
        assert kept.ids == heard.ids and torch.equal(kept.feature_lens, heard.feature_lens)
        assert kept.statistics is not None and heard.statistics is not None
        # Frames are kept in half precision, in which on the fly they need not be.
        assert torch.equal(kept.feature, heard.feature.half().float())
        assert torch.equal(kept.statistics, heard.statistics)
    train_run(flying, 1, 0)
    # Speeds of waveforms are another thing: what is heard differs.
    conf.augment.speed_prob = 1.0
    for kept, heard in zip(batches_of(cached), batches_of(replace(flying, conf=conf)), strict=False):
        assert not torch.equal(kept.feature_lens, heard.feature_lens)
        break


def test_adapters_have_a_learning_rate_of_their_own(adapted: Experiment, encoder: Path) -> None:
    conf = encoder_experiment_conf(encoder, **ADAPTED, num_epochs=4)
    conf.model.pretrained.learning_rate = 5e-4
    trainer = trainer_of(named(replace(adapted, conf=conf), "rates"))
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.run(stop_after_epoch=1)
    names = {id(p): name for name, p in trainer.model.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    assert rates.keys() == {name for name, p in trainer.model.named_parameters() if p.requires_grad}
    upper = {name for name in rates if name.startswith(UPPER_LAYERS)}
    assert upper and all(".lora_" in name for name in upper)
    (own,) = {rate for name, rate in rates.items() if name not in upper}
    (others,) = {rates[name] for name in upper}
    assert 0 < own <= learning_rate(conf, 1.0) and others == pytest.approx(own * 5e-4 / conf.train.learning_rate)
    # What is frozen stays, to the bit; all the rest learns.
    for name, value in trainer.model.named_parameters():
        assert torch.equal(value, before[name]) == (name not in rates), name


def test_adapters_need_a_learning_rate_to_be_a_multiple_of(adapted: Experiment, encoder: Path) -> None:
    conf = encoder_experiment_conf(encoder, **ADAPTED, learning_rate=0.0)
    with pytest.raises(InputError, match=r"train\.learning_rate is 0, of which"):
        trainer_of(named(replace(adapted, conf=conf), "zero"))


def test_a_network_with_adapters_is_built_again_wherever_its_encoder_is(
    adapted: Experiment, encoder: Path, tmp_path: Path
) -> None:
    experiment = named(adapted, "built")
    moved = Path(shutil.copytree(encoder, tmp_path / "moved/whisper"))
    conf = encoder_experiment_conf(moved, **ADAPTED, num_epochs=2)
    experiment = replace(experiment, conf=conf)
    trainer = trainer_of(experiment)
    trainer.run()
    model, epoch = load_model(experiment.run_dir(1, 0), 2)
    assert epoch == 2
    batch = next(iter(trainer.valid_loader))
    with torch.no_grad():
        ours, theirs = (network(*batch.inputs_on(torch.device("cpu"))) for network in (trainer.eval_model, model))
    for name, value in ours.numbers.items():
        assert torch.equal(value, theirs.numbers[name]), name
    # It is decoded with the encoder where the conf says that it is now, and with no other one.
    moved.parent.rename(tmp_path / "again")
    with pytest.raises(
        InputError, match=r"moved/whisper does not exist: pass another one with --set model\.pretrained\.path=DIR"
    ):
        decode_run(experiment, 1, 0)
    conf.model.pretrained.path = str(tmp_path / "again/whisper")
    decode_run(experiment, 1, 0)
    conf.model.pretrained.path = str(save_encoder(tmp_path / "other/whisper", seed=1))
    with pytest.raises(InputError, match="holds another encoder than tiny/whisper with SHA-256"):
        decode_run(experiment, 1, 0)


def test_another_encoder_starts_afresh_and_another_place_of_the_same_does_not(
    tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_corpus(tmp_path)

    def train(folder: Path) -> int:
        """When the last checkpoint was written."""
        experiment = open_experiment(tmp_path, encoder_experiment_conf(folder))
        capsys.readouterr()
        train_run(experiment, 1, 0)
        return checkpoint_path(experiment.run_dir(1, 0), 2).stat().st_mtime_ns

    first = train(encoder)
    assert train(Path(shutil.copytree(encoder, tmp_path / "elsewhere/whisper"))) == first
    assert train(save_encoder(tmp_path / "other/whisper", seed=1)) != first
    assert "the encoder changed; the earlier run is kept" in capsys.readouterr().err


def test_run_and_scores_name_the_encoder(frozen: Experiment, recipe: Path, encoder: Path) -> None:
    experiment = named(replace(frozen, conf=encoder_experiment_conf(encoder)), "scored")
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    manifest = recipe / "data/manifests/tiny_cuts.jsonl.gz"
    scores = score_experiment(experiment.conf, "tiny", manifest, experiment.folds_dir, experiment.exp_dir)
    expected = {
        "name": "tiny/whisper",
        "revision": None,
        "sha256": sha256((encoder / "model.safetensors").read_bytes()).hexdigest(),
        "licence": "apache-2.0",
        "family": "whisper",
    }
    for run in (read_json(experiment.run_dir(1, 0) / "run.json"), *scores["runs"]):
        assert expected.items() <= run["encoder"].items()

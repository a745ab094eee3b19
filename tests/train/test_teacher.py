"""Distillation: the loss by hand, what the teachers say, what it changes, and every teacher that is refused."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_experiment import SPEEDS, encoder_experiment_conf, fbank_conf, open_experiment, record_corpus
from tiny_encoders import save_encoder

from seq.conf import TrainConf
from seq.data.encoded import load_heard
from seq.data.shar import open_cuts
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.export.run import export_run
from seq.finetune.source import open_source
from seq.models.model import ModelOutput, SpeechEqModel
from seq.train.checkpoint import checkpoint_path, load_checkpoint, load_model
from seq.train.experiment import Experiment
from seq.train.run import train_run
from seq.train.run_data import RunData
from seq.train.teacher import Lessons
from seq.train.trainer import Trainer
from seq.utils.files import read_json, write_json

pytest.importorskip("transformers")

ENCODER = "data/encoder/whisper"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe whose experiment `teacher` has two seeds of a network on a pretrained encoder."""
    folder = tmp_path_factory.mktemp("recipe")
    record_corpus(folder)
    encoder = save_encoder(folder / "whisper")
    teacher = open_experiment(folder, encoder_experiment_conf(encoder, num_epochs=6, learning_rate=5e-3), "teacher")
    for seed in (0, 1):
        train_run(teacher, 1, seed)
    return folder


def student(recipe: Path, name: str, **train: object) -> Experiment:
    return open_experiment(recipe, fbank_conf(teacher=str(recipe / "exp/teacher"), **train), name)


@pytest.fixture(scope="module")
def taught(recipe: Path) -> Experiment:
    experiment = student(recipe, "taught", num_epochs=8, teacher_weight=3.0, teacher_statistics=0.5)
    train_run(experiment, 1, 0)
    return experiment


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_the_loss_is_what_it_is_by_hand() -> None:
    rng = np.random.default_rng(0)
    ids, temperature = ["b", "a"], 2.0
    sizes = {"emotion": 3, "intensity": 3, "gender": 2}
    theirs, ours = ({name: rng.normal(size=(2, size)) * 3 for name, size in sizes.items()} for _ in range(2))
    statistics, guess = rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    numbers = {
        name: {id_: torch.from_numpy(row) for id_, row in zip(ids, value, strict=True)}
        for name, value in theirs.items()
    }
    lessons = Lessons(numbers, dict(zip(ids, torch.from_numpy(statistics), strict=True)), "")
    # What the student says beside that is not asked of the teacher.
    said = {name: torch.from_numpy(value) for name, value in ours.items()} | {"phone": torch.zeros(2, 7, 4)}
    output = ModelOutput(said, torch.tensor([7, 7]), torch.zeros(2, 4))

    expected = 0.0
    for name in ("emotion", "gender"):
        target, answer = softmax(theirs[name] / temperature), softmax(ours[name] / temperature)
        expected += -(target * np.log(answer)).sum(axis=1).mean()
    target, answer = sigmoid(theirs["intensity"] / temperature), sigmoid(ours["intensity"] / temperature)
    expected += -(target * np.log(answer) + (1 - target) * np.log(1 - answer)).mean()
    expected *= temperature**2
    conf = TrainConf(teacher_temperature=temperature)
    assert float(lessons.loss(output, ids, conf)) == pytest.approx(expected, rel=1e-6)

    output.statistics = torch.from_numpy(guess)
    conf.teacher_weight, conf.teacher_statistics = 0.4, 0.7
    expected = 0.4 * expected + 0.7 * np.square(guess - statistics).mean()
    assert float(lessons.loss(output, ids, conf)) == pytest.approx(expected, rel=1e-6)
    # Who sees the batch in another order gets other lessons.
    assert float(lessons.loss(output, ids[::-1], conf)) != pytest.approx(expected, rel=1e-3)


def test_lessons_are_means_over_seeds_and_speeds(taught: Experiment, recipe: Path) -> None:
    lessons = RunData(taught, 1, 0).lessons
    assert lessons is not None
    train = taught.load_fold(1).train
    assert set(lessons.numbers) == {"emotion", "intensity", "gender"}
    assert all(set(by_id) == set(train) for by_id in (*lessons.numbers.values(), lessons.statistics))
    models = [load_model(recipe / f"exp/teacher/fold_1/seed_{seed}")[0] for seed in (0, 1)]
    chosen = [cut for cut in open_cuts(recipe / ENCODER / "tiny_cuts.jsonl.gz", train)][:3]
    said: list[list[list[ModelOutput]]] = []
    with torch.no_grad():
        for cut in chosen:
            heard = [load_heard(cut, speed) for speed in SPEEDS]
            inputs = [(h.feature[None], torch.tensor([len(h.feature)]), h.statistics[None]) for h in heard]
            said.append([[model(*item) for item in inputs] for model in models])
    for cut, by_seed in zip(chosen, said, strict=True):
        for name, by_id in lessons.numbers.items():
            mean = np.mean([output.numbers[name][0].numpy() for outputs in by_seed for output in outputs], axis=0)
            np.testing.assert_allclose(by_id[cut.id], mean, atol=1e-5)
    # The encoder is the same; what is usual in the train part is each teacher's own knowledge.
    for cut in chosen:
        heard = [load_heard(cut, speed).statistics for speed in SPEEDS]
        rows = [
            (h[model.front_end.chosen].flatten() - model.front_end.mean) / model.front_end.std
            for model in models
            for h in heard
        ]
        np.testing.assert_allclose(lessons.statistics[cut.id], torch.stack(rows).mean(0), atol=1e-5)


def distance(lessons: Lessons, model: SpeechEqModel, trainer: Trainer) -> float:
    """How far a network is from its teachers on the train part."""
    with torch.no_grad():
        losses = []
        for cut in trainer.data.train_cuts():
            feature = torch.from_numpy(cut.load_features())
            output = model.eval()(feature[None], torch.tensor([len(feature)]))
            losses.append(float(lessons.loss(output, [cut.id], trainer.conf.train)))
    return float(np.mean(losses))


def test_a_student_comes_nearer_to_its_teachers_and_one_without_is_another(taught: Experiment, recipe: Path) -> None:
    alone = open_experiment(recipe, fbank_conf(num_epochs=8), "alone")
    train_run(alone, 1, 0)
    fresh = replace(taught, exp_dir=recipe / "exp/fresh")
    trainer = Trainer(fresh.conf, RunData(fresh, 1, 0), fresh.run_dir(1, 0), "cpu")
    lessons = trainer.data.lessons
    assert lessons is not None
    before, after, without = (
        distance(lessons, model, trainer)
        for model in (trainer.model, *(load_model(e.run_dir(1, 0))[0] for e in (taught, alone)))
    )
    # What is left at the least is the teachers' own entropy.
    assert after < without and after < before
    record = read_json(taught.run_dir(1, 0) / "run.json")
    assert record["teacher"] == str(recipe / "exp/teacher") and record["train_speakers"] == ["s0", "s1"]
    states = [load_checkpoint(checkpoint_path(e.run_dir(1, 0), 8)) for e in (taught, alone)]
    assert any(not torch.equal(value, states[1]["model"][name]) for name, value in states[0]["model"].items())
    assert "teacher" in states[0]["identity"] and "teacher" not in states[1]["identity"]


def test_a_student_that_was_stopped_goes_on(taught: Experiment, recipe: Path) -> None:
    halted = replace(taught, exp_dir=recipe / "exp/halted")
    Trainer(halted.conf, RunData(halted, 1, 0), halted.run_dir(1, 0), "cpu").run(stop_after_epoch=3)
    train_run(halted, 1, 0)
    states = [load_checkpoint(checkpoint_path(e.run_dir(1, 0), 8)) for e in (taught, halted)]
    for part in ("model", "guess"):
        assert all(torch.equal(value, states[1][part][name]) for name, value in states[0][part].items())


def test_another_teacher_starts_afresh(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(recipe / "exp/teacher", recipe / "exp/copied")
    experiment = open_experiment(recipe, fbank_conf(teacher=str(recipe / "exp/copied")), "follows")
    train_run(experiment, 1, 0)
    written = checkpoint_path(experiment.run_dir(1, 0), 2).stat().st_mtime_ns
    train_run(experiment, 1, 0)
    assert checkpoint_path(experiment.run_dir(1, 0), 2).stat().st_mtime_ns == written
    # One of its networks less is another teacher.
    shutil.rmtree(recipe / "exp/copied/fold_1/seed_1")
    capsys.readouterr()
    train_run(experiment, 1, 0)
    assert "the teacher changed; the earlier run is kept" in capsys.readouterr().err


def test_a_student_goes_out_without_its_teachers(taught: Experiment, recipe: Path, tmp_path: Path) -> None:
    decode_run(taught, 1, 0)
    description = export_run(taught.run_dir(1, 0), tmp_path / "model")
    # Finetuned on another corpus, it is taught by nobody.
    assert description["conf"]["train"]["teacher"] == "" and description["encoder"] is None
    assert open_source(tmp_path / "model", []).conf(taught.conf.corpus, []).train.teacher == ""
    assert str(recipe) not in (tmp_path / "model/model.json").read_text(encoding="utf-8")


def no_run(recipe: Path, experiment: Experiment) -> None:
    for seed in (0, 1):
        (recipe / f"exp/teacher/fold_1/seed_{seed}/run.json").unlink()


def heard_valid(recipe: Path, experiment: Experiment) -> None:
    path = recipe / "exp/teacher/fold_1/seed_1/run.json"
    write_json(path, {**read_json(path), "train_speakers": ["s0", "s1", "s2"]})


def does_not_say(recipe: Path, experiment: Experiment) -> None:
    path = recipe / "exp/teacher/fold_1/seed_0/run.json"
    write_json(path, {key: value for key, value in read_json(path).items() if key != "train_speakers"})


def other_classes(recipe: Path, experiment: Experiment) -> None:
    experiment.protocol.emotions.reverse()


def no_manifest(recipe: Path, experiment: Experiment) -> None:
    (recipe / ENCODER / "tiny_cuts.jsonl.gz").unlink()


def no_arrays(recipe: Path, experiment: Experiment) -> None:
    shutil.rmtree(recipe / ENCODER / "storage/frames_0.9")


def no_checkpoint(recipe: Path, experiment: Experiment) -> None:
    for path in (recipe / "exp/teacher/fold_1/seed_0").glob("epoch-*.pt"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_run, "has no finished run of fold 1: run its stage 5 first"),
        (heard_valid, r"trained on speakers who are not in this fold's train part \(s2\): choose"),
        (does_not_say, "does not say whom it heard: train it again"),
        (other_classes, "has other classes of emotion: choose one of this protocol"),
        (no_manifest, "encoder/whisper/tiny_cuts.jsonl.gz does not exist: run stage 2 with the teacher's model"),
        (no_arrays, r"frames_0\.9 of cut s0-\S+ cannot be read: run stage 2"),
        (no_checkpoint, r"epoch-\d\.pt does not exist"),
    ],
)
def test_refused_teachers(recipe: Path, tmp_path: Path, spoil: Callable[[Path, Experiment], None], said: str) -> None:
    copy = Path(shutil.copytree(recipe, tmp_path / "recipe"))
    # The manifest names its arrays by their whole paths.
    manifest = copy / ENCODER / "tiny_cuts.jsonl.gz"
    manifest.write_bytes(gzip.compress(gzip.decompress(manifest.read_bytes()).replace(bytes(recipe), bytes(copy))))
    experiment = student(copy, "student")
    spoil(copy, experiment)
    with pytest.raises(InputError, match=rf"^train\.teacher: .*{said}") as error:
        RunData(experiment, 1, 0)
    assert "\n" not in str(error.value)

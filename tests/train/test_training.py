"""Training: learns, resumes bit for bit, notices another conf, averages as it says, decodes what it validated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_experiment import make_experiment, tiny_conf

from seq.conf import BOOKKEEPING, conf_from_dict
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.models.front_end import FrontEnd
from seq.models.model import ModelSpec, make_front_end
from seq.score.predictions import parse_prediction
from seq.train.checkpoint import averaged_weights, checkpoint_path, load_checkpoint, load_model, read_pointer
from seq.train.experiment import Experiment
from seq.train.losses import combine_losses
from seq.train.run import train_experiment, train_run
from seq.train.run_data import RunData
from seq.train.trainer import Trainer
from seq.train.training_log import TrainingLog
from seq.train.validation import valid_scores
from seq.utils.files import read_json, read_jsonl


def weights(experiment: Experiment, epoch: int) -> dict[str, torch.Tensor]:
    return load_checkpoint(checkpoint_path(experiment.run_dir(1, 0), epoch))["model"]


def assert_same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_four_epochs_equal_two_plus_two(tmp_path: Path) -> None:
    conf = tiny_conf(num_epochs=4)
    straight = make_experiment(tmp_path / "straight", conf)
    train_run(straight, 1, 0)
    halted = make_experiment(tmp_path / "halted", conf)
    Trainer(conf, RunData(halted, 1, 0), halted.run_dir(1, 0), "cpu").run(stop_after_epoch=2)
    assert read_pointer(halted.run_dir(1, 0), "last") == 2
    train_run(halted, 1, 0)
    assert_same_weights(weights(straight, 4), weights(halted, 4))
    histories = [
        [
            {key: row[key] for key in ("epoch", "train", "valid", "lr")}
            for row in read_jsonl(e.run_dir(1, 0) / "history.jsonl")
        ]
        for e in (straight, halted)
    ]
    assert histories[0] == histories[1]
    assert [row["epoch"] for row in histories[0]] == [1, 2, 3, 4]


def test_it_learns_all_four_tasks(tmp_path: Path) -> None:
    conf = tiny_conf(num_epochs=30, average_epochs=3, learning_rate=5e-3)
    experiment = make_experiment(tmp_path, conf)
    run = train_run(experiment, 1, 0)
    best = run["best_valid"]
    assert best["emotion"]["UA"] == 1.0 and best["gender"]["accuracy"] == 1.0 and best["intensity"]["UA"] > 0.6
    # The features of this miniature do not hold the text; its likelihood still rises.
    history = list(read_jsonl(experiment.run_dir(1, 0) / "history.jsonl"))
    assert history[-1]["train"]["phone"] < 0.5 * history[0]["train"]["phone"]


def test_decoding_repeats_the_validation_that_chose_the_checkpoint(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path, tiny_conf(num_epochs=4))
    run = train_run(experiment, 1, 0)
    epoch = decode_run(experiment, 1, 0)
    assert epoch == run["best_epoch"]
    rows = [parse_prediction(row) for row in read_jsonl(experiment.run_dir(1, 0) / "valid_predictions.jsonl")]
    model, _ = load_model(experiment.run_dir(1, 0))
    assert valid_scores(rows, model.spec.outputs) == run["best_valid"]
    test = list(read_jsonl(experiment.run_dir(1, 0) / "predictions.jsonl"))
    assert {row["speaker"] for row in test} == {"s3"} and len(test) == 12
    assert test[0]["emotion"]["ref"] == "neutral" and sum(test[0]["emotion"]["probs"].values()) == pytest.approx(1.0)
    assert test[0]["intensity"]["ref"] is None and test[1]["intensity"]["ref"] == 0.0
    assert test[-1]["phone"]["ref"] is None and test[0]["phone"]["ref"] == ["A", "B", "C"]


def test_averaged_weights_are_the_mean_over_the_last_epochs(tmp_path: Path) -> None:
    conf = tiny_conf(num_epochs=3, average_epochs=1)
    experiment = make_experiment(tmp_path, conf)
    trainer = Trainer(conf, RunData(experiment, 1, 0), experiment.run_dir(1, 0), "cpu")
    trainer.run(stop_after_epoch=2)
    snapshots: list[torch.Tensor] = []
    step = trainer.optimizer.step

    def recording_step() -> None:
        step()
        snapshots.append(trainer.model.embedding[2].weight.detach().double().clone())

    trainer.optimizer.step = recording_step  # type: ignore[method-assign, assignment]
    trainer._run_epoch(TrainingLog(tmp_path, "", 2, 3, 0, is_heard=False))
    assert len(snapshots) > 1
    mean = torch.stack(snapshots).mean(0)
    averaged = averaged_weights(experiment.run_dir(1, 0), 3, 1)["embedding.2.weight"]
    assert torch.allclose(averaged.double(), mean, atol=1e-6)


def test_another_conf_starts_afresh_and_keeps_the_old_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = make_experiment(tmp_path)
    train_run(experiment, 1, 0)
    old = weights(experiment, 2)
    changed = conf_from_dict(json.loads(json.dumps(vars_of(experiment))))
    changed.train.learning_rate = 1e-3
    train_run(Experiment(**{**vars(experiment), "conf": changed}), 1, 0)
    assert "train.learning_rate was 0.002, is 0.001" in capsys.readouterr().err
    kept = [p for p in (tmp_path / "exp" / "fold_1").iterdir() if ".replaced-" in p.name]
    assert len(kept) == 1
    assert_same_weights(old, load_checkpoint(kept[0] / "epoch-2.pt")["model"])


def vars_of(experiment: Experiment) -> dict[str, object]:
    from seq.conf import conf_to_dict

    return conf_to_dict(experiment.conf)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path)
    train_run(experiment, 1, 0)
    before = checkpoint_path(experiment.run_dir(1, 0), 2).stat().st_mtime_ns
    train_run(experiment, 1, 0)
    assert checkpoint_path(experiment.run_dir(1, 0), 2).stat().st_mtime_ns == before


def test_early_stop(tmp_path: Path) -> None:
    # Without a learning rate nothing improves after the first epoch.
    experiment = make_experiment(tmp_path, tiny_conf(num_epochs=30, early_stop_epochs=2, learning_rate=0.0))
    assert train_run(experiment, 1, 0)["epochs"] == 3


def test_text_that_does_not_fit_into_its_frames_is_counted(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path)
    rows = (experiment.lang_dir / "text").read_text().splitlines()
    long = {row.split()[0] for row in rows if row.startswith(("s0-neutral", "s1-happy"))}
    texts = [f"{row.split()[0]} {' '.join(['A'] * 100)}" if row.split()[0] in long else row for row in rows]
    (experiment.lang_dir / "text").write_text("".join(f"{text}\n" for text in texts))
    train_run(experiment, 1, 0)
    history = list(read_jsonl(experiment.run_dir(1, 0) / "history.jsonl"))
    assert [row["train"]["too_short_for_text"] for row in history] == [8, 8]
    assert all(row["train"]["phone"] < 20 for row in history)
    log = (experiment.run_dir(1, 0) / "train.log").read_text()
    assert log.count("CTC left out 8 utterances with more text than frames") == 2
    decode_run(experiment, 1, 0)
    row = next(read_jsonl(experiment.run_dir(1, 0) / "predictions.jsonl"))["phone"]
    assert len(row["ref_times"]) == 3 and len(row["hyp_times"]) == len(row["hyp"])


def test_bookkeeping_trains_nothing_again(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path)
    train_run(experiment, 1, 0)
    before = checkpoint_path(experiment.run_dir(1, 0), 2).stat().st_mtime_ns
    experiment.conf.train.keep_all_epochs = True
    experiment.conf.train.keep_last_k = 1
    experiment.conf.train.save_every_batches = 1
    train_run(experiment, 1, 0)
    assert not list((tmp_path / "exp" / "fold_1").glob("*.replaced-*"))
    assert checkpoint_path(experiment.run_dir(1, 0), 2).stat().st_mtime_ns == before
    experiment.conf.augment.on_the_fly = True
    assert RunData(experiment, 1, 0).identity["augment.on_the_fly"] is True
    assert not any(key in RunData(experiment, 1, 0).identity for key in BOOKKEEPING)


def test_run_json_says_by_which_protocol_and_model_it_was_trained(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path)
    train_run(experiment, 1, 0)
    run = read_json(experiment.run_dir(1, 0) / "run.json")
    assert run["protocol"] == {"name": "tiny", "description": "tiny", "speaker_disjoint": True}
    assert run["model"] == "scratch"


def test_a_subset_of_tasks(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path, tasks=["emotion", "gender"])
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    row = next(read_jsonl(experiment.run_dir(1, 0) / "predictions.jsonl"))
    assert "emotion" in row and "gender" in row and "intensity" not in row and "phone" not in row


def test_checkpoints_are_read_without_unpickling_code(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path)
    train_run(experiment, 1, 0)
    state = torch.load(checkpoint_path(experiment.run_dir(1, 0), 2), weights_only=True)
    assert {"model", "model_avg", "optimizer", "scheduler", "grad_scaler", "sampler", "batch_idx_train"} <= set(state)

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"model": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"evil\.pt cannot be read"):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "owned").exists()


def test_damaged_and_foreign_checkpoints_are_named(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path)
    train_run(experiment, 1, 0)
    path = checkpoint_path(experiment.run_dir(1, 0), 2)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"epoch-2\.pt cannot be read"):
        decode_run(experiment, 1, 0)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(InputError, match="not a checkpoint of SpeechEQ"):
        decode_run(experiment, 1, 0)


def test_a_checkpoint_of_another_label_set_is_refused(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path)
    train_run(experiment, 1, 0)
    experiment.protocol.emotions[:] = ["neutral", "happy", "angry"]
    with pytest.raises(InputError, match="was trained on the emotion labels neutral, happy, sad"):
        decode_run(experiment, 1, 0)


def test_nothing_trained_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained model: run stage 5"):
        decode_run(make_experiment(tmp_path), 1, 0)


def test_folds_side_by_side_equal_one_after_the_other(tmp_path: Path) -> None:
    one, two = make_experiment(tmp_path / "one"), make_experiment(tmp_path / "two")
    train_experiment(one, [1], [0, 1], workers=1)
    train_experiment(two, [1], [0, 1], workers=2)
    for seed in (0, 1):
        first, second = (load_checkpoint(checkpoint_path(e.run_dir(1, seed), 2))["model"] for e in (one, two))
        assert_same_weights(first, second)


def test_the_loss_of_several_ranks_is_the_global_mean() -> None:
    # Two ranks with 3 and 1 labelled utterances: DDP averages the gradients of sum / mean count.
    conf = tiny_conf().train
    sums, counts = [torch.tensor(6.0), torch.tensor(4.0)], [torch.tensor(3), torch.tensor(1)]
    mean_count = {"emotion": torch.tensor(2.0)}
    per_rank = [combine_losses({"emotion": pair}, conf, mean_count) for pair in zip(sums, counts, strict=True)]
    assert float(sum(per_rank) / 2) == pytest.approx(10.0 / 4)


def test_what_is_frozen_is_in_no_checkpoint_and_training_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = "front_end.subsampling.conv1.weight"

    def half_frozen(spec: ModelSpec) -> FrontEnd:
        """A front end of which a part comes from elsewhere, as of a pretrained one all does."""
        front_end = make_front_end(spec)
        weight = front_end.get_parameter(frozen.removeprefix("front_end.")).requires_grad_(False)
        with torch.no_grad():
            weight.copy_(torch.linspace(-0.3, 0.3, weight.numel()).view_as(weight))
        return front_end

    monkeypatch.setattr("seq.models.model.make_front_end", half_frozen)
    conf = tiny_conf(num_epochs=3, average_epochs=1)
    straight, halted = (make_experiment(tmp_path / name, conf) for name in ("straight", "halted"))
    run = train_run(straight, 1, 0)
    trainer = Trainer(conf, RunData(halted, 1, 0), halted.run_dir(1, 0), "cpu")
    expected = trainer.model.get_parameter(frozen).clone()
    trainer.run(stop_after_epoch=2)
    assert torch.equal(trainer.model.get_parameter(frozen), expected)
    train_run(halted, 1, 0)
    assert_same_weights(weights(straight, 3), weights(halted, 3))
    path = checkpoint_path(straight.run_dir(1, 0), 3)
    state = load_checkpoint(path)
    names = trainer.model.state_dict().keys() - {frozen}
    assert state["model"].keys() == state["model_avg"].keys() == names
    assert run["num_parameters"] == sum(p.numel() for n, p in trainer.model.named_parameters() if n != frozen)
    rows = []
    for experiment in (straight, halted):
        decode_run(experiment, 1, 0)
        model, _ = load_model(experiment.run_dir(1, 0))
        assert torch.equal(model.get_parameter(frozen), expected)
        rows.append(list(read_jsonl(experiment.run_dir(1, 0) / "predictions.jsonl")))
    assert rows[0] == rows[1]
    # The weights of a network that is trained whole are another network's.
    monkeypatch.undo()
    with pytest.raises(InputError, match="was written by another version of the model"):
        load_model(straight.run_dir(1, 0))


def test_killed_at_random_moments_ends_with_the_same_weights(tmp_path: Path) -> None:
    conf = tiny_conf(num_epochs=12)
    straight = make_experiment(tmp_path / "straight", conf)
    train_run(straight, 1, 0)
    killed = make_experiment(tmp_path / "killed", conf)
    code = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from pathlib import Path\n"
        "from tiny_experiment import make_experiment, tiny_conf\n"
        "from seq.train.run import train_run\n"
        "experiment = make_experiment(Path(sys.argv[3]), tiny_conf(num_epochs=12))\n"
        "train_run(experiment, 1, 0)\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(root / "tests/helpers"), str(root), str(tmp_path / "killed")]
    run_dir = killed.run_dir(1, 0)
    # Kill as soon as another epoch has been written: always in the middle of one.
    for target in (1, 3, 6):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while (read_pointer(run_dir, "last") or 0) < target and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert read_pointer(run_dir, "last") >= target
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert_same_weights(weights(straight, 12), weights(killed, 12))

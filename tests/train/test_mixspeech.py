"""MixSpeech: what is mixed, that every task learns both targets by their shares, and that it is off by default."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from tiny_experiment import make_experiment, tiny_conf

from seq.conf import AugmentConf, FeaturesConf, ModelConf
from seq.data.batch import Batch
from seq.data.mixing import Mix, draw_mix, mix_features
from seq.data.targets import NO_LABEL, Labels
from seq.errors import InputError
from seq.models.model import ModelOutput
from seq.train.ctc import make_ctc
from seq.train.identity import difference
from seq.train.loaders import open_loaders
from seq.train.losses import LossSetting, batch_losses, multitask_losses
from seq.train.run_data import RunData
from seq.train.trainer import Trainer
from seq.utils.model_conf import check_training


def test_features_are_mixed_as_far_as_both_go_and_then_with_the_mean() -> None:
    feature = torch.zeros(2, 4, 3)
    feature[0, :4], feature[1, :2] = 1.0, 5.0
    fill = torch.tensor([2.0, 3.0, 4.0])
    mixed, lengths = mix_features(feature, torch.tensor([4, 2]), fill, Mix([1, 0], 0.75))
    assert lengths.tolist() == [4, 4]
    torch.testing.assert_close(mixed[:, 0], torch.tensor([[2.0] * 3, [4.0] * 3]))
    torch.testing.assert_close(mixed[:, 3], torch.stack([0.75 + 0.25 * fill, 0.25 + 0.75 * fill]))
    # Beyond both ends there is nothing, and alone an utterance stays what it is.
    assert (mix_features(feature, torch.tensor([3, 2]), fill, Mix([1, 0], 0.5))[0][:, 3] == 0).all()
    same, lengths = mix_features(feature, torch.tensor([4, 2]), fill, Mix([0, 1], 0.3))
    torch.testing.assert_close(same, feature)
    assert lengths.tolist() == [4, 2]


def test_shares_and_partners_are_drawn_as_the_conf_says() -> None:
    conf = AugmentConf(mix_prob=0.15, mix_alpha=0.5)
    rng = random.Random(0)
    found = [draw_mix(conf, 5, rng) for _ in range(4000)]
    mixes = [mix for mix in found if mix is not None]
    assert 0.13 < len(mixes) / len(found) < 0.17
    shares = torch.tensor([mix.share for mix in mixes])
    # Beta(0.5, 0.5) has mean 1/2 and variance 1/8.
    assert abs(float(shares.mean()) - 0.5) < 0.05 and abs(float(shares.var()) - 0.125) < 0.02
    assert all(sorted(mix.partners) == [0, 1, 2, 3, 4] for mix in mixes)
    assert draw_mix(AugmentConf(), 5, random.Random(0)) is None


@pytest.mark.parametrize("members", [1, 3])
def test_every_task_learns_both_targets_by_their_shares(members: int) -> None:
    """Against each utterance's loss, computed alone, for its own target and for its partner's."""
    torch.manual_seed(0)
    shape = (4,) if members == 1 else (members, 4)
    numbers = {
        "emotion": torch.randn(*shape, 3),
        "intensity": torch.randn(*shape, 3),
        "arousal": torch.randn(*shape, 1),
        "phone": torch.randn(4, 9, 5).log_softmax(-1),
    }
    targets = {
        "emotion": torch.tensor([0, 2, NO_LABEL, 1]),
        "intensity": torch.tensor([[1.0, 0, 0], [1, 1, 1], [0, 0, 0], [float("nan")] * 3]),
        "arousal": torch.tensor([0.2, float("nan"), 0.9, 0.5]),
        "phone": [[1, 2], None, [3], [4, 4, 1]],
    }
    mix = Mix([2, 0, 3, 1], 0.3)
    output = ModelOutput(numbers, torch.tensor([9, 8, 7, 9]), torch.zeros(4, 2))
    batch = Batch([], [], torch.zeros(0), torch.zeros(0), Labels({}, targets), mix=mix)
    setting = LossSetting(make_ctc("torch"), 0.1)
    found = batch_losses(output, batch, setting)

    def alone(task: str, i: int, j: int) -> tuple[float, int]:
        own = numbers[task][..., i : i + 1, :] if task != "phone" else numbers[task][i : i + 1]
        one = ModelOutput({task: own}, output.lengths[i : i + 1], output.embedding[:1])
        total, count = multitask_losses(one, {task: targets[task][j : j + 1]}, setting)[task]
        return float(total), int(count)

    for task, (total, count) in found.items():
        own = [alone(task, i, i) for i in range(4)]
        theirs = [alone(task, i, j) for i, j in enumerate(mix.partners)]
        expected = [0.3 * sum(a[k] for a in own) + 0.7 * sum(b[k] for b in theirs) for k in (0, 1)]
        assert (float(total), float(count)) == pytest.approx(tuple(expected), rel=1e-5), task
    plain = batch_losses(output, Batch([], [], torch.zeros(0), torch.zeros(0), batch.labels), setting)
    assert plain["emotion"] == multitask_losses(output, targets, setting)["emotion"]


def test_training_with_mixed_batches(tmp_path: Path) -> None:
    conf = tiny_conf()
    conf.augment.mix_prob = 1.0
    experiment = make_experiment(tmp_path, conf)
    data = RunData(experiment, 1, 0)
    trainer = Trainer(conf, data, experiment.run_dir(1, 0), "cpu")
    batches = list(open_loaders(conf, data, trainer.model.front_end, torch.device("cpu"), 0, 1)[0])
    assert all(batch.mix is not None for batch in batches)
    assert all((batch.feature_lens <= batch.feature.size(1)).all() for batch in batches)
    # Drawn again, they are the same; valid is never mixed.
    again = list(open_loaders(conf, RunData(experiment, 1, 0), trainer.model.front_end, torch.device("cpu"), 0, 1)[0])
    assert [batch.mix for batch in batches] == [batch.mix for batch in again]
    assert all(torch.equal(one.feature, two.feature) for one, two in zip(batches, again, strict=True))
    assert all(batch.mix is None for batch in trainer.valid_loader)
    history = trainer.run().history
    assert len(history) == 2 and set(history[0]["train"]) >= {"emotion", "intensity", "gender", "phone"}


def test_frames_of_an_encoder_are_not_mixed() -> None:
    with pytest.raises(InputError, match=r"augment\.mix_prob mixes filter banks"):
        check_training(FeaturesConf(), AugmentConf(mix_prob=0.1), ModelConf(front_end="pretrained"))


def test_a_key_that_is_newer_than_a_run_was_at_its_default() -> None:
    old = {"tasks": ["emotion"], "augment.tempo": 0.2, "data": "x"}
    new = {**old, "augment.mix_prob": 0.0, "augment.mix_alpha": 0.5}
    assert difference(old, new) is None
    assert difference(old, {**new, "augment.mix_prob": 0.15}) == "augment.mix_prob was 0.0, is 0.15"
    assert difference({**old, "augment.gone": 1}, new) == "augment.gone was 1, is None"
    assert difference({}, {"data": "x"}) == "the data changed"

"""The multi-task loss: a missing label is as if the utterance were not there for that task."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy

from seq.conf import TrainConf
from seq.data.targets import NO_LABEL, Target
from seq.labels import intensity_targets
from seq.models.model import ModelOutput
from seq.tasks.base import Outputs
from seq.train.ctc import TorchCtc
from seq.train.losses import LossSetting, category_loss, class_weights, combine_losses, multitask_losses

NUM_CLASSES, NUM_TOKENS, NUM_FRAMES = 5, 4, 12
TASKS = ("emotion", "intensity", "gender", "phone")
CTC = TorchCtc()
SMOOTHED = LossSetting(CTC, label_smoothing=0.1)
Targets = dict[str, Target]


def random_output(size: int, generator: torch.Generator) -> ModelOutput:
    def randn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).requires_grad_()

    phone = torch.randn(size, NUM_FRAMES, NUM_TOKENS, generator=generator).log_softmax(-1).requires_grad_()
    numbers = {"emotion": randn(size, NUM_CLASSES), "intensity": randn(size, 3), "gender": randn(size, 2)}
    return ModelOutput({**numbers, "phone": phone}, torch.full((size,), NUM_FRAMES), randn(size, 8))


def random_targets(size: int, generator: torch.Generator) -> Targets:
    values = torch.rand(size, generator=generator)
    return {
        "emotion": torch.randint(NUM_CLASSES, (size,), generator=generator),
        "intensity": torch.stack([torch.from_numpy(intensity_targets(float(v))) for v in values]),
        "gender": torch.randint(2, (size,), generator=generator),
        "phone": [torch.randint(1, NUM_TOKENS, (3,), generator=generator).tolist() for _ in range(size)],
    }


def means(output: ModelOutput, targets: Targets) -> dict[str, float]:
    return {k: float(v / n) for k, (v, n) in multitask_losses(output, targets, SMOOTHED).items()}


def subset(output: ModelOutput, targets: Targets, keep: list[int]) -> tuple[ModelOutput, Targets]:
    numbers = {name: value[keep] for name, value in output.numbers.items()}
    kept = {name: [t[i] for i in keep] if isinstance(t, list) else t[keep] for name, t in targets.items()}
    return ModelOutput(numbers, output.lengths[keep], output.embedding[keep]), kept


@pytest.mark.parametrize("task", TASKS)
def test_masked_loss_equals_the_loss_of_the_labelled_subset(task: str) -> None:
    generator = torch.Generator().manual_seed(1)
    output, targets = random_output(9, generator), random_targets(9, generator)
    keep = [0, 2, 3, 7]
    expected = means(*subset(output, targets, keep))[task]
    for i in set(range(9)) - set(keep):
        targets[task][i] = {"intensity": float("nan"), "phone": None}.get(task, NO_LABEL)
    losses = multitask_losses(output, targets, SMOOTHED)
    assert int(losses[task][1]) == len(keep)
    assert float(losses[task][0] / losses[task][1]) == pytest.approx(expected, rel=1e-5)
    # And nothing, not even NaN, flows back into the masked ones.
    losses[task][0].backward()
    gradient = output.numbers[task].grad
    assert torch.isfinite(gradient).all()
    masked = [i for i in range(9) if i not in keep]
    assert (gradient[masked] == 0).all() and (gradient[keep] != 0).any()


def test_a_batch_without_any_label_trains_nothing() -> None:
    generator = torch.Generator().manual_seed(2)
    output = random_output(3, generator)
    nothing = torch.full((3,), NO_LABEL)
    targets = {
        "emotion": nothing, "intensity": torch.full((3, 3), float("nan")), "gender": nothing, "phone": [None] * 3
    }  # fmt: skip
    loss = combine_losses(multitask_losses(output, targets, LossSetting(CTC)), TrainConf())
    assert float(loss) == 0.0
    loss.backward()
    assert all((output.numbers[task].grad == 0).all() for task in TASKS)


def test_combination_is_scale_times_mean() -> None:
    generator = torch.Generator().manual_seed(3)
    output, targets = random_output(4, generator), random_targets(4, generator)
    conf = TrainConf(loss_scales={"emotion": 2.0, "intensity": 0.5, "gender": 0.25, "phone": 3.0}, label_smoothing=0.1)
    each = means(output, targets)
    expected = 2.0 * each["emotion"] + 0.5 * each["intensity"] + 0.25 * each["gender"] + 3.0 * each["phone"]
    losses = multitask_losses(output, targets, SMOOTHED)
    assert float(combine_losses(losses, conf)) == pytest.approx(expected, rel=1e-5)
    # Where the conf says nothing, the task does.
    own = each["emotion"] + 0.5 * each["intensity"] + 0.5 * each["gender"] + 0.2 * each["phone"]
    assert float(combine_losses(losses, TrainConf())) == pytest.approx(own, rel=1e-5)


def test_an_item_too_short_for_its_text_is_left_out_of_the_phone_loss() -> None:
    generator = torch.Generator().manual_seed(4)
    output, targets = random_output(3, generator), random_targets(3, generator)
    expected = means(*subset(output, targets, [0, 2]))["phone"]
    output.lengths[1] = 2
    losses = multitask_losses(output, targets, LossSetting(CTC))
    assert int(losses["phone"][1]) == 2 and float(losses["phone"][0] / 2) == pytest.approx(expected, rel=1e-5)


def labels(emotions: list[int], intensities: list[float]) -> Targets:
    cumulative = torch.stack([torch.from_numpy(intensity_targets(value)) for value in intensities])
    nothing = torch.zeros(len(emotions), dtype=torch.long)
    return {"emotion": torch.tensor(emotions), "intensity": cumulative, "gender": nothing, "phone": [None] * 4}


OUTPUTS = {
    "emotion": Outputs("category", tuple("abcde")), "intensity": Outputs("scale"),
    "gender": Outputs("category", ("F", "M")), "phone": Outputs("sequence", ("<blk>", "A", "B", "C")),
}  # fmt: skip


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    emotions, intensities = [0, 0, 0, 1, 1, 3, NO_LABEL], [0.0, 0.3, 0.35, 1.0, 1.0, 1.0, float("nan")]
    parts = [labels(emotions[:4], intensities[:4]), labels(emotions[4:], intensities[4:])]
    weights = class_weights(parts, OUTPUTS, balance=1.0)
    # Gender and phones are not balanced.
    assert weights.keys() == {"emotion", "intensity"}
    known = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=np.array(emotions[:-1]))
    assert weights["emotion"].tolist() == pytest.approx([known[0], known[1], 0.0, known[2], 0.0])
    levels = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=np.array([0, 1, 1, 3, 3, 3]))
    assert weights["intensity"].tolist() == pytest.approx([levels[0], levels[1], 0.0, levels[2]])
    equal = class_weights(parts, OUTPUTS, balance=0.0)
    assert equal["emotion"].tolist() == [1.0, 1.0, 0.0, 1.0, 0.0] and equal["intensity"].tolist() == [
        1.0, 1.0, 0.0, 1.0
    ]  # fmt: skip


def test_a_class_of_double_weight_counts_as_if_it_came_twice() -> None:
    generator = torch.Generator().manual_seed(5)
    output, targets = random_output(4, generator), random_targets(4, generator)
    targets["emotion"] = torch.tensor([0, 1, 2, NO_LABEL])
    targets["intensity"] = labels([0] * 4, [0.0, 1.0, 2 / 3, float("nan")])["intensity"]
    doubled = {"emotion": torch.tensor([1.0, 2.0, 1.0, 1.0, 1.0]), "intensity": torch.tensor([1.0, 1.0, 1.0, 2.0])}
    weighted = multitask_losses(output, targets, LossSetting(CTC, 0.1, doubled))
    repeated = multitask_losses(*subset(output, targets, [0, 1, 1, 2, 3]), SMOOTHED)
    for task in ("emotion", "intensity"):
        assert float(weighted[task][0]) == pytest.approx(float(repeated[task][0]), rel=1e-5)
        assert int(weighted[task][1]) == 3
    assert float(weighted["gender"][0] / 4) == pytest.approx(means(output, targets)["gender"], rel=1e-5)


def shares(size: int, generator: torch.Generator) -> torch.Tensor:
    """(N, K) shares of one to four annotators."""
    votes = torch.multinomial(torch.ones(size, NUM_CLASSES), 4, replacement=True, generator=generator)
    return torch.nn.functional.one_hot(votes, NUM_CLASSES).float().mean(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_soft_labels_is_torchs_own_for_class_probabilities(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(6)
    logits, target = torch.randn(7, NUM_CLASSES, generator=generator).requires_grad_(), shares(7, generator)
    total, count = category_loss(logits, target, smoothing)
    expected = cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-6)
    assert int(count) == 7
    # Masked utterances give neither a loss nor a gradient.
    masked = target.clone()
    masked[[1, 4]] = 0.0
    total, count = category_loss(logits, masked, smoothing)
    kept = [0, 2, 3, 5, 6]
    expected = cross_entropy(logits[kept], target[kept], reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-6)
    total.backward()
    assert int(count) == 5 and (logits.grad[[1, 4]] == 0).all() and (logits.grad[kept] != 0).any()


def test_annotators_who_all_agree_are_a_hard_label() -> None:
    generator = torch.Generator().manual_seed(7)
    logits, classes = torch.randn(6, NUM_CLASSES, generator=generator), torch.tensor([0, 1, 2, 3, 4, NO_LABEL])
    weights = torch.tensor([0.5, 1.0, 2.0, 1.5, 3.0])
    agreed = torch.zeros(6, NUM_CLASSES)
    agreed[range(5), classes[:5]] = 1.0
    for balanced in (None, weights):
        hard, soft = (category_loss(logits, target, 0.1, balanced) for target in (classes, agreed))
        torch.testing.assert_close(soft[0], hard[0], rtol=1e-6, atol=1e-6)
        assert int(soft[1]) == int(hard[1]) == 5
    # A class of double weight counts twice, and of an utterance that halves share, its half does.
    halves = torch.tensor([[0.5, 0.5, 0.0, 0.0, 0.0]])
    weighted = category_loss(logits[:1], halves, 0.0, torch.tensor([1.0, 3.0, 1.0, 1.0, 1.0]))[0]
    torch.testing.assert_close(weighted, 2.0 * category_loss(logits[:1], halves)[0])


def test_class_weights_count_shares() -> None:
    parts = [
        {
            "emotion": torch.tensor(
                [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.25, 0.0, 0.75], [0.0, 0.5, 0.5]]
            )
        }
    ]
    weights = class_weights(parts, {"emotion": Outputs("category", ("a", "b", "c"))}, balance=1.0)["emotion"]
    counts = np.array([1.75, 1.0, 1.25])
    assert weights.tolist() == pytest.approx((counts.sum() / (3 * counts)).tolist())

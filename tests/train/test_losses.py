"""The multi-task loss: a missing label is as if the utterance were not there for that task."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from seq.conf import TrainConf
from seq.labels import intensity_targets
from seq.models.model import ModelOutput
from seq.train.ctc import TorchCtc
from seq.train.losses import NO_LABEL, ClassWeights, Targets, class_weights, combine_losses, multitask_losses

NUM_CLASSES, NUM_TOKENS, NUM_FRAMES = 5, 4, 12
CTC = TorchCtc()


def random_output(size: int, generator: torch.Generator) -> ModelOutput:
    def randn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).requires_grad_()

    phone = torch.randn(size, NUM_FRAMES, NUM_TOKENS, generator=generator).log_softmax(-1).requires_grad_()
    return ModelOutput(
        randn(size, NUM_CLASSES), randn(size, 3), randn(size, 2), phone, torch.full((size,), NUM_FRAMES), randn(size, 8)
    )


def random_targets(size: int, generator: torch.Generator) -> Targets:
    values = torch.rand(size, generator=generator)
    return Targets(
        torch.randint(NUM_CLASSES, (size,), generator=generator),
        torch.stack([torch.from_numpy(intensity_targets(float(v))) for v in values]),
        torch.randint(2, (size,), generator=generator),
        [torch.randint(1, NUM_TOKENS, (3,), generator=generator).tolist() for _ in range(size)],
    )


def means(output: ModelOutput, targets: Targets) -> dict[str, float]:
    return {k: float(v / n) for k, (v, n) in multitask_losses(output, targets, CTC, label_smoothing=0.1).items()}


def subset(output: ModelOutput, targets: Targets, keep: list[int]) -> tuple[ModelOutput, Targets]:
    fields = {k: getattr(output, k)[keep] for k in ("emotion", "intensity", "gender", "phone", "lengths", "embedding")}
    phones = [targets.phone[i] for i in keep]
    return ModelOutput(**fields), Targets(targets.emotion[keep], targets.intensity[keep], targets.gender[keep], phones)


@pytest.mark.parametrize("task", ["emotion", "intensity", "gender", "phone"])
def test_masked_loss_equals_the_loss_of_the_labelled_subset(task: str) -> None:
    generator = torch.Generator().manual_seed(1)
    output, targets = random_output(9, generator), random_targets(9, generator)
    keep = [0, 2, 3, 7]
    expected = means(*subset(output, targets, keep))[task]
    for i in set(range(9)) - set(keep):
        if task == "intensity":
            targets.intensity[i] = float("nan")
        elif task == "phone":
            targets.phone[i] = None
        else:
            getattr(targets, task)[i] = NO_LABEL
    losses = multitask_losses(output, targets, CTC, label_smoothing=0.1)
    assert int(losses[task][1]) == len(keep)
    assert float(losses[task][0] / losses[task][1]) == pytest.approx(expected, rel=1e-5)
    # And nothing, not even NaN, flows back into the masked ones.
    losses[task][0].backward()
    gradient = getattr(output, task).grad
    assert torch.isfinite(gradient).all()
    masked = [i for i in range(9) if i not in keep]
    assert (gradient[masked] == 0).all() and (gradient[keep] != 0).any()


def test_a_batch_without_any_label_trains_nothing() -> None:
    generator = torch.Generator().manual_seed(2)
    output = random_output(3, generator)
    nothing = torch.full((3,), NO_LABEL)
    targets = Targets(nothing, torch.full((3, 3), float("nan")), nothing, [None] * 3)
    loss = combine_losses(multitask_losses(output, targets, CTC), TrainConf())
    assert float(loss) == 0.0
    loss.backward()
    assert all((getattr(output, task).grad == 0).all() for task in ("emotion", "intensity", "gender", "phone"))


def test_combination_is_scale_times_mean() -> None:
    generator = torch.Generator().manual_seed(3)
    output, targets = random_output(4, generator), random_targets(4, generator)
    conf = TrainConf(emotion_scale=2.0, intensity_scale=0.5, gender_scale=0.25, phone_scale=3.0, label_smoothing=0.1)
    each = means(output, targets)
    expected = 2.0 * each["emotion"] + 0.5 * each["intensity"] + 0.25 * each["gender"] + 3.0 * each["phone"]
    losses = multitask_losses(output, targets, CTC, label_smoothing=0.1)
    assert float(combine_losses(losses, conf)) == pytest.approx(expected, rel=1e-5)


def test_an_item_too_short_for_its_text_is_left_out_of_the_phone_loss() -> None:
    generator = torch.Generator().manual_seed(4)
    output, targets = random_output(3, generator), random_targets(3, generator)
    expected = means(*subset(output, targets, [0, 2]))["phone"]
    output.lengths[1] = 2
    losses = multitask_losses(output, targets, CTC)
    assert int(losses["phone"][1]) == 2 and float(losses["phone"][0] / 2) == pytest.approx(expected, rel=1e-5)


def labels(emotions: list[int], intensities: list[float]) -> Targets:
    cumulative = torch.stack([torch.from_numpy(intensity_targets(value)) for value in intensities])
    return Targets(torch.tensor(emotions), cumulative, torch.zeros(len(emotions), dtype=torch.long), [None] * 4)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    emotions, intensities = [0, 0, 0, 1, 1, 3, NO_LABEL], [0.0, 0.3, 0.35, 1.0, 1.0, 1.0, float("nan")]
    parts = [labels(emotions[:4], intensities[:4]), labels(emotions[4:], intensities[4:])]
    weights = class_weights(parts, num_emotions=5, balance=1.0)
    known = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=np.array(emotions[:-1]))
    assert weights.emotion.tolist() == pytest.approx([known[0], known[1], 0.0, known[2], 0.0])
    levels = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=np.array([0, 1, 1, 3, 3, 3]))
    assert weights.intensity.tolist() == pytest.approx([levels[0], levels[1], 0.0, levels[2]])
    equal = class_weights(parts, num_emotions=5, balance=0.0)
    assert equal.emotion.tolist() == [1.0, 1.0, 0.0, 1.0, 0.0] and equal.intensity.tolist() == [1.0, 1.0, 0.0, 1.0]


def test_a_class_of_double_weight_counts_as_if_it_came_twice() -> None:
    generator = torch.Generator().manual_seed(5)
    output, targets = random_output(4, generator), random_targets(4, generator)
    targets.emotion = torch.tensor([0, 1, 2, NO_LABEL])
    targets.intensity = labels([0] * 4, [0.0, 1.0, 2 / 3, float("nan")]).intensity
    doubled = ClassWeights(torch.tensor([1.0, 2.0, 1.0, 1.0, 1.0]), torch.tensor([1.0, 1.0, 1.0, 2.0]))
    weighted = multitask_losses(output, targets, CTC, label_smoothing=0.1, weights=doubled)
    repeated = multitask_losses(*subset(output, targets, [0, 1, 1, 2, 3]), CTC, label_smoothing=0.1)
    for task in ("emotion", "intensity"):
        assert float(weighted[task][0]) == pytest.approx(float(repeated[task][0]), rel=1e-5)
        assert int(weighted[task][1]) == 3
    assert float(weighted["gender"][0] / 4) == pytest.approx(means(output, targets)["gender"], rel=1e-5)

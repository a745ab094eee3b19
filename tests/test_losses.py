"""The multi-task loss: a missing label is as if the utterance were not there for that task."""

from __future__ import annotations

import pytest
import torch

from seq.conf import TrainConf
from seq.ctc import TorchCtc
from seq.labels import intensity_targets
from seq.losses import NO_LABEL, Targets, combine_losses, multitask_losses
from seq.models.model import ModelOutput

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

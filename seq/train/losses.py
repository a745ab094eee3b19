"""Masked multi-task loss: each task is averaged over the utterances that have its label. A loss belongs to a kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax

from seq.conf import Conf, TrainConf
from seq.data.batch import Batch
from seq.data.targets import NO_LABEL, Target
from seq.labels import NUM_THRESHOLDS
from seq.models.model import ModelOutput
from seq.tasks.base import Outputs
from seq.tasks.registry import get_task, in_order
from seq.train.ctc import CtcBackend, feasible_items, make_ctc

# The sum of a task's losses over the labelled utterances of a batch, and how many they are.
Loss = tuple[Tensor, Tensor]


@dataclass
class LossSetting:
    """What losses depend on beside the numbers and the targets."""

    ctc: CtcBackend
    label_smoothing: float = 0.0
    # By task: (K,) what an utterance of each class, or of each of the 4 anchors of intensity, counts for; 1 on average.
    class_weights: dict[str, Tensor] = field(default_factory=dict)


def class_weights(
    targets: Iterable[Mapping[str, Target]], outputs: Mapping[str, Outputs], balance: float
) -> dict[str, Tensor]:
    """Weights of classes and of levels, from the targets of the train part, for the tasks whose classes matter.

    A class of n utterances weighs n ** -balance, times what makes the mean over the utterances 1, so that `balance`
    leaves a task's share of the total loss alone. A class without utterances weighs 0.
    """
    counts = {
        task.name: torch.zeros(task.size(outputs[task.name]) if task.kind == "category" else NUM_THRESHOLDS + 1)
        for task in in_order(outputs)
        if task.by_class
    }
    for part in targets:
        for name, count in counts.items():
            count += _count_classes(outputs[name].kind, part[name], len(count))

    def weights(count: Tensor) -> Tensor:
        raw = torch.where(count > 0, count.clamp(min=1.0) ** -balance, 0.0)
        return raw * count.sum() / (raw * count).sum().clamp(min=1e-12)

    return {name: weights(count) for name, count in counts.items()}


def loss_setting(
    conf: Conf, targets: Iterable[Mapping[str, Target]], outputs: Mapping[str, Outputs], device: torch.device
) -> LossSetting:
    """What a conf and the targets of the train part make of it, on a device."""
    weights = class_weights(targets, outputs, conf.train.class_balance)
    has_sequence = any(found.kind == "sequence" for found in outputs.values())
    return LossSetting(
        make_ctc(conf.ctc.backend if has_sequence else "torch"),
        conf.train.label_smoothing,
        {name: weight.to(device) for name, weight in weights.items()},
    )


def _count_classes(kind: str, target: Target, size: int) -> Tensor:
    """How many utterances of a batch have each class (shares of them, of soft labels) or are nearest to each anchor."""
    assert isinstance(target, Tensor)
    if kind == "scale":
        return torch.bincount(_nearest_anchor(target[~target[:, 0].isnan()]), minlength=size)
    if target.is_floating_point():
        return target.sum(dim=0)
    return torch.bincount(target[target != NO_LABEL], minlength=size)


def _nearest_anchor(targets: Tensor) -> Tensor:
    """Numbers (N,) of the anchors that cumulative soft targets (N, 3) are nearest to."""
    return targets.sum(dim=1).round().long()


def _masked_sum(losses: Tensor, labelled: Tensor) -> Loss:
    # `where` and not a product: the loss of a masked item may be NaN.
    return torch.where(labelled, losses, losses.new_zeros(())).sum(), labelled.sum()


def category_loss(logits: Tensor, target: Tensor, label_smoothing: float = 0.0, weights: Tensor | None = None) -> Loss:
    """Cross entropy of (N, K) logits.

    Args:
        target: (N,) class numbers or `NO_LABEL`, or (N, K) shares of annotators, all zero where unlabelled.
        weights: (K,) what an item of each class counts for; all 1 if None.
    """
    if target.is_floating_point():
        smoothed = target * (1 - label_smoothing) + label_smoothing / target.size(1)
        losses = -(smoothed * log_softmax(logits, dim=-1)).sum(dim=1)
        return _masked_sum(losses if weights is None else losses * (target @ weights), target.sum(dim=1) > 0)
    losses = cross_entropy(logits, target, reduction="none", label_smoothing=label_smoothing, ignore_index=NO_LABEL)
    if weights is not None:
        losses = losses * weights[target.clamp(min=0)]
    return _masked_sum(losses, target != NO_LABEL)


def scale_loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Loss:
    """Mean binary cross entropy of the three thresholds, (N, 3).

    Args:
        weights: (4,) what an item of each level counts for; all 1 if None.
    """
    labelled = ~target[:, 0].isnan()
    target = target.nan_to_num(0.0)
    losses = binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1)
    if weights is not None:
        losses = losses * weights[_nearest_anchor(target)]
    return _masked_sum(losses, labelled)


def value_loss(logits: Tensor, target: Tensor) -> Loss:
    """Binary cross entropy of (N, 1) logits and (N,) values in [0, 1], NaN where unlabelled: least at the value itself.

    Its gradient is the error, whatever the value, where that of a squared error vanishes at the ends of the scale.
    """
    labelled = ~target.isnan()
    losses = binary_cross_entropy_with_logits(logits[:, 0], target.nan_to_num(0.0), reduction="none")
    return _masked_sum(losses, labelled)


def sequence_loss(log_probs: Tensor, lengths: Tensor, references: list[list[int] | None], ctc: CtcBackend) -> Loss:
    """CTC loss per reference symbol, of the items with text that fits their frames.

    Args:
        log_probs: (N, T, V).
        lengths: (N,) frames.
    """
    items = [i for i, target in enumerate(references) if target is not None]
    targets = [references[i] or [] for i in items]
    index = torch.tensor(items, dtype=torch.long, device=log_probs.device)
    feasible = feasible_items(lengths[index], targets)
    if not feasible:
        return log_probs.sum() * 0.0, torch.zeros((), dtype=torch.long, device=log_probs.device)
    index = index[torch.tensor(feasible, device=log_probs.device)]
    targets = [targets[i] for i in feasible]
    losses = ctc.loss(log_probs[index], lengths[index], targets)
    sizes = losses.new_tensor([max(len(target), 1) for target in targets])
    return (losses / sizes).sum(), torch.tensor(len(feasible), device=log_probs.device)


def task_loss(name: str, output: ModelOutput, target: Target, setting: LossSetting) -> Loss:
    """The loss of one task, by its kind."""
    task, numbers = get_task(name), output.numbers[name]
    weights = setting.class_weights.get(name)
    if task.kind == "sequence":
        assert isinstance(target, list)
        return sequence_loss(numbers, output.lengths, target, setting.ctc)
    assert isinstance(target, Tensor)

    def loss(logits: Tensor) -> Loss:
        if task.kind == "scale":
            return scale_loss(logits, target, weights)
        if task.kind == "value":
            return value_loss(logits, target)
        return category_loss(logits, target, setting.label_smoothing if task.by_class else 0.0, weights)

    if numbers.dim() == 2:
        return loss(numbers)
    # Every member learns by itself: the mean of their losses, not the loss of their mean.
    losses = [loss(logits) for logits in numbers]
    return torch.stack([total for total, _ in losses]).mean(), losses[0][1]


def multitask_losses(output: ModelOutput, targets: Mapping[str, Target], setting: LossSetting) -> dict[str, Loss]:
    """By task: the (weighted) loss summed over the labelled utterances of the batch, and their number."""
    return {name: task_loss(name, output, targets[name], setting) for name in output.numbers}


def batch_losses(output: ModelOutput, batch: Batch, setting: LossSetting) -> dict[str, Loss]:
    """`multitask_losses` of a batch; of a mixed one, those of both targets by their shares."""
    targets = batch.labels.targets_on(output.embedding.device)
    losses = multitask_losses(output, targets, setting)
    mix = batch.mix
    if mix is None:
        return losses
    theirs = multitask_losses(output, {name: mix.of_partners(target) for name, target in targets.items()}, setting)

    def weigh(own: Tensor, other: Tensor) -> Tensor:
        return mix.share * own + (1.0 - mix.share) * other

    return {name: (weigh(loss[0], theirs[name][0]), weigh(loss[1], theirs[name][1])) for name, loss in losses.items()}


def loss_scale(conf: TrainConf, name: str) -> float:
    """What the mean loss of a task is multiplied by."""
    return conf.loss_scales.get(name, get_task(name).loss_scale)


def mean_counts(losses: Mapping[str, Loss]) -> dict[str, Tensor] | None:
    """Labelled utterances per task, averaged over ranks: DDP averages gradients, so this makes the global mean.

    None in a process of its own.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return None
    counts = torch.stack([count.float() for _, count in losses.values()])
    dist.all_reduce(counts)
    return dict(zip(losses, counts / dist.get_world_size(), strict=True))


def combine_losses(losses: dict[str, Loss], conf: TrainConf, counts: dict[str, Tensor] | None = None) -> Tensor:
    """Sum over tasks of scale times mean; a task that nobody in the batch has adds nothing.

    Args:
        counts: what to divide a task's sum by, if not by its own number of labelled utterances (several GPUs).
    """
    terms = []
    for task, (total, count) in losses.items():
        divisor = count.float() if counts is None else counts[task]
        # Without labels the sum is 0; the divisor must only not be.
        terms.append(loss_scale(conf, task) * total / torch.where(divisor > 0, divisor, torch.ones_like(divisor)))
    return torch.stack(terms).sum()


def count_too_short(targets: Mapping[str, Target], losses: Mapping[str, tuple[float, int]]) -> int:
    """How many utterances of a batch have more text than frames, so that CTC leaves them out."""
    texts = {name: target for name, target in targets.items() if isinstance(target, list)}
    return sum(sum(text is not None for text in target) - losses[name][1] for name, target in texts.items())

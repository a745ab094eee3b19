"""Masked multi-task loss: each task is averaged over the utterances that have its label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from seq.conf import TrainConf
from seq.labels import NUM_THRESHOLDS
from seq.models.model import ModelOutput
from seq.train.ctc import CtcBackend, feasible_items

# Class number of an utterance without the label (also torch's default `ignore_index`).
NO_LABEL = -100


@dataclass
class ClassWeights:
    """What an utterance counts for in the losses of emotion and intensity, by its class; 1 on average."""

    # (number of emotions,)
    emotion: Tensor
    # (4,) by the nearest of `seq.labels.INTENSITY_ANCHORS`.
    intensity: Tensor

    def to(self, device: torch.device) -> ClassWeights:
        """The same weights on another device."""
        return ClassWeights(self.emotion.to(device), self.intensity.to(device))


def class_weights(targets: Iterable[Targets], num_emotions: int, balance: float) -> ClassWeights:
    """Weights of classes and of intensity levels, from the targets of all utterances of the train part.

    A class of n utterances weighs n ** -balance, times what makes the mean over the utterances 1, so that `balance`
    leaves a task's share of the total loss alone. A class without utterances weighs 0.
    """
    emotions, levels = torch.zeros(num_emotions), torch.zeros(NUM_THRESHOLDS + 1)
    for part in targets:
        emotions += torch.bincount(part.emotion[part.emotion != NO_LABEL], minlength=num_emotions)
        rated = part.intensity[~part.intensity[:, 0].isnan()]
        levels += torch.bincount(_nearest_anchor(rated), minlength=NUM_THRESHOLDS + 1)

    def weights(counts: Tensor) -> Tensor:
        raw = torch.where(counts > 0, counts.clamp(min=1.0) ** -balance, 0.0)
        return raw * counts.sum() / (raw * counts).sum().clamp(min=1e-12)

    return ClassWeights(weights(emotions), weights(levels))


def _nearest_anchor(targets: Tensor) -> Tensor:
    """Numbers (N,) of the anchors that cumulative soft targets (N, 3) are nearest to."""
    return targets.sum(dim=1).round().long()


@dataclass
class Targets:
    """Labels of one batch; what an utterance lacks is masked."""

    # (N,) class numbers or NO_LABEL.
    emotion: Tensor
    # (N, 3) cumulative soft targets, NaN where there is no label.
    intensity: Tensor
    # (N,) positions in GENDERS or NO_LABEL.
    gender: Tensor
    # Token numbers, None where there is no text.
    phone: list[list[int] | None]

    def to(self, device: torch.device) -> Targets:
        """The same labels on another device."""
        return Targets(self.emotion.to(device), self.intensity.to(device), self.gender.to(device), self.phone)


def _masked_sum(losses: Tensor, labelled: Tensor) -> tuple[Tensor, Tensor]:
    # `where` and not a product: the loss of a masked item may be NaN.
    return torch.where(labelled, losses, losses.new_zeros(())).sum(), labelled.sum()


def category_loss(
    logits: Tensor, target: Tensor, label_smoothing: float = 0.0, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cross entropy summed over the labelled items of (N, K) logits, and how many they are.

    Args:
        weights: (K,) what an item of each class counts for; all 1 if None.
    """
    labelled = target != NO_LABEL
    losses = cross_entropy(logits, target, reduction="none", label_smoothing=label_smoothing, ignore_index=NO_LABEL)
    if weights is not None:
        losses = losses * weights[target.clamp(min=0)]
    return _masked_sum(losses, labelled)


def intensity_loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean binary cross entropy of the three thresholds, (N, 3), summed over the labelled items; their number.

    Args:
        weights: (4,) what an item of each level counts for; all 1 if None.
    """
    labelled = ~target[:, 0].isnan()
    target = target.nan_to_num(0.0)
    losses = binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1)
    if weights is not None:
        losses = losses * weights[_nearest_anchor(target)]
    return _masked_sum(losses, labelled)


def phone_loss(
    log_probs: Tensor, lengths: Tensor, phones: list[list[int] | None], ctc: CtcBackend
) -> tuple[Tensor, Tensor]:
    """CTC loss per reference phone, summed over the items with text that fits their frames; their number.

    Args:
        log_probs: (N, T, V).
        lengths: (N,) frames.
    """
    items = [i for i, target in enumerate(phones) if target is not None]
    targets = [phones[i] or [] for i in items]
    index = torch.tensor(items, dtype=torch.long, device=log_probs.device)
    feasible = feasible_items(lengths[index], targets)
    if not feasible:
        return log_probs.sum() * 0.0, torch.zeros((), dtype=torch.long, device=log_probs.device)
    index = index[torch.tensor(feasible, device=log_probs.device)]
    targets = [targets[i] for i in feasible]
    losses = ctc.loss(log_probs[index], lengths[index], targets)
    sizes = losses.new_tensor([max(len(target), 1) for target in targets])
    return (losses / sizes).sum(), torch.tensor(len(feasible), device=log_probs.device)


def multitask_losses(
    output: ModelOutput,
    targets: Targets,
    ctc: CtcBackend,
    label_smoothing: float = 0.0,
    weights: ClassWeights | None = None,
) -> dict[str, tuple[Tensor, Tensor]]:
    """Per task: the (weighted) loss summed over the labelled utterances of the batch, and their number."""
    losses: dict[str, tuple[Tensor, Tensor]] = {}
    if output.emotion is not None:
        emotion_weights = None if weights is None else weights.emotion
        losses["emotion"] = category_loss(output.emotion, targets.emotion, label_smoothing, emotion_weights)
    if output.intensity is not None:
        level_weights = None if weights is None else weights.intensity
        losses["intensity"] = intensity_loss(output.intensity, targets.intensity, level_weights)
    if output.gender is not None:
        losses["gender"] = category_loss(output.gender, targets.gender)
    if output.phone is not None:
        losses["phone"] = phone_loss(output.phone, output.lengths, targets.phone, ctc)
    return losses


def combine_losses(
    losses: dict[str, tuple[Tensor, Tensor]], conf: TrainConf, counts: dict[str, Tensor] | None = None
) -> Tensor:
    """Sum over tasks of scale times mean; a task that nobody in the batch has adds nothing.

    Args:
        counts: what to divide a task's sum by, if not by its own number of labelled utterances (several GPUs).
    """
    scales = {
        "emotion": conf.emotion_scale,
        "intensity": conf.intensity_scale,
        "gender": conf.gender_scale,
        "phone": conf.phone_scale,
    }
    terms = []
    for task, (total, count) in losses.items():
        divisor = count.float() if counts is None else counts[task]
        # Without labels the sum is 0; the divisor must only not be.
        terms.append(scales[task] * total / torch.where(divisor > 0, divisor, torch.ones_like(divisor)))
    return torch.stack(terms).sum()

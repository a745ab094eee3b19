"""Masked multi-task loss: each task is averaged over the utterances that have its label."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from seq.conf import TrainConf
from seq.ctc import CtcBackend, feasible_items
from seq.models.model import ModelOutput

# Class number of an utterance without the label (also torch's default `ignore_index`).
NO_LABEL = -100


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


def emotion_loss(logits: Tensor, target: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Cross entropy summed over the labelled items of (N, K) logits, and how many they are."""
    labelled = target != NO_LABEL
    losses = cross_entropy(logits, target, reduction="none", label_smoothing=label_smoothing, ignore_index=NO_LABEL)
    return _masked_sum(losses, labelled)


def intensity_loss(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Mean binary cross entropy of the three thresholds, (N, 3), summed over the labelled items; their number."""
    labelled = ~target[:, 0].isnan()
    losses = binary_cross_entropy_with_logits(logits, target.nan_to_num(0.0), reduction="none").mean(dim=1)
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
    output: ModelOutput, targets: Targets, ctc: CtcBackend, label_smoothing: float = 0.0
) -> dict[str, tuple[Tensor, Tensor]]:
    """Per task: the loss summed over the labelled utterances of the batch, and their number."""
    losses: dict[str, tuple[Tensor, Tensor]] = {}
    if output.emotion is not None:
        losses["emotion"] = emotion_loss(output.emotion, targets.emotion, label_smoothing)
    if output.intensity is not None:
        losses["intensity"] = intensity_loss(output.intensity, targets.intensity)
    if output.gender is not None:
        losses["gender"] = emotion_loss(output.gender, targets.gender, 0.0)
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

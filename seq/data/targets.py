"""The labels of a mini-batch as the numbers that losses want; what an utterance lacks is masked, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seq.errors import InputError
from seq.labels import NUM_THRESHOLDS, intensity_targets
from seq.lang.tokens import UNKNOWN
from seq.tasks.base import Label, Outputs, Setting, Task
from seq.tasks.registry import in_order

# Class number of an utterance without the label (also torch's default `ignore_index`).
NO_LABEL = -100
# By kind: category (N,) class numbers or NO_LABEL, or (N, K) shares of annotators, zero where unlabelled; scale (N, 3)
# cumulative targets and value (N,) in [0, 1], NaN where unlabelled; sequence: symbol numbers, None where there is no
# text.
Target = Tensor | list[list[int] | None]


@dataclass
class Labels:
    """The references of a mini-batch: by task, one for each utterance, None where it has none."""

    refs: dict[str, list[Label | None]]
    targets: dict[str, Target]

    def targets_on(self, device: torch.device) -> dict[str, Target]:
        """The targets on a device."""
        return {
            name: t.to(device, non_blocking=True) if isinstance(t, Tensor) else t for name, t in self.targets.items()
        }

    def pin_memory(self) -> Labels:
        """The same in memory that a GPU copies from by itself."""
        pinned = {name: t.pin_memory() if isinstance(t, Tensor) else t for name, t in self.targets.items()}
        return Labels(self.refs, pinned)


class Labeller:
    """From the supervisions of cuts to references and targets of the tasks that a network has."""

    def __init__(self, outputs: Mapping[str, Outputs], setting: Setting) -> None:
        """Args:
        outputs: what the network's heads stand for, by task.
        setting: what labels depend on beside the utterance.
        """
        self.tasks = in_order(outputs)
        self._outputs, self._setting = dict(outputs), setting
        self._numbers = {name: {label: i for i, label in enumerate(found.labels)} for name, found in outputs.items()}

    def encode(self, cuts: Sequence[Any]) -> Labels:
        """References and targets of cuts, which have one supervision each.

        Raises:
            InputError: a label that the network has no class or symbol for.
        """
        supervisions = [cut.supervisions[0] for cut in cuts]
        refs = {task.name: [task.label(found, self._setting) for found in supervisions] for task in self.tasks}
        ids = [cut.id for cut in cuts]
        return Labels(refs, {task.name: self._target(task, refs[task.name], supervisions, ids) for task in self.tasks})

    def _target(self, task: Task, refs: list[Any], supervisions: list[Any], ids: list[str]) -> Target:
        if task.kind == "category":
            numbers = [self._class_number(task, ref, id_) for ref, id_ in zip(refs, ids, strict=True)]
            if self._setting.corpus.soft_labels and task.by_class:
                return self._shares(task, numbers, [task.votes(found, self._setting) for found in supervisions])
            return torch.tensor(numbers)
        if task.kind == "scale":
            targets = torch.full((len(refs), NUM_THRESHOLDS), float("nan"))
            for row, ref in zip(targets, refs, strict=True):
                if ref is not None:
                    row[:] = torch.from_numpy(intensity_targets(ref))
            return targets
        if task.kind == "value":
            return torch.tensor([float("nan") if ref is None else float(ref) for ref in refs])
        return [None if ref is None else self._spell(task, ref, id_) for ref, id_ in zip(refs, ids, strict=True)]

    def _class_number(self, task: Task, ref: str | None, id_: str) -> int:
        if ref is None:
            return NO_LABEL
        number = self._numbers[task.name].get(ref)
        if number is None:
            raise InputError(f"utterance {id_} has the {task.name} {ref}, which the protocol lacks: run stage 3 again")
        return number

    def _shares(self, task: Task, numbers: list[int], votes: list[dict[str, float] | None]) -> Tensor:
        """The annotators' distribution (N, K) of each utterance, or its one label where there is no more."""
        shares = torch.zeros(len(numbers), task.size(self._outputs[task.name]))
        for row, number, found in zip(shares, numbers, votes, strict=True):
            if number == NO_LABEL:
                continue
            if found is None:
                row[number] = 1.0
                continue
            for name, share in found.items():
                row[self._numbers[task.name][name]] = share
        return shares

    def _spell(self, task: Task, ref: list[str], id_: str) -> list[int]:
        known = self._numbers[task.name]
        unknown = known.get(UNKNOWN)
        missing = next((symbol for symbol in ref if symbol not in known), None) if unknown is None else None
        if missing is not None:
            raise InputError(f"utterance {id_}: token {missing} is not in the token table: run stage 4 (lang) again")
        return [known.get(symbol, unknown or 0) for symbol in ref]

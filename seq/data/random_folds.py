"""Folds drawn at random, by a seed."""

from __future__ import annotations

import random
from collections import defaultdict

from seq.conf import ProtocolConf
from seq.data.fold_checks import PARTS, Fold, FoldItem, make_fold
from seq.errors import InputError


def random_folds(items: list[FoldItem], protocol: ProtocolConf, partial: bool) -> list[Fold]:
    """Deal the speakers, or the utterances of each speaker and emotion, shuffled, to the folds in turn."""
    assert protocol.random is not None
    num_folds = protocol.random.num_folds
    generator = random.Random(protocol.random.seed)
    if protocol.random.by == "speaker":
        fold_of = _deal_speakers(items, protocol, generator, partial)
    else:
        fold_of = _deal_utterances(items, num_folds, generator)
    folds = []
    for index in range(num_folds):
        parts: dict[str, list[FoldItem]] = {part: [] for part in PARTS}
        for item in items:
            distance = (fold_of[item.id] - index) % num_folds
            parts["test" if distance == 0 else "valid" if distance == 1 else "train"].append(item)
        folds.append(make_fold(index + 1, protocol, parts))
    return folds


def _deal_speakers(
    items: list[FoldItem], protocol: ProtocolConf, generator: random.Random, partial: bool
) -> dict[str, int]:
    """The fold of every utterance, by its speaker."""
    assert protocol.random is not None
    num_folds = protocol.random.num_folds
    speakers = sorted({item.speaker for item in items})
    if len(speakers) < num_folds and not partial:
        raise InputError(
            f"protocol {protocol.name} deals {len(speakers)} speakers to {num_folds} folds: lower random.num_folds"
        )
    generator.shuffle(speakers)
    position = {speaker: index for index, speaker in enumerate(speakers)}
    return {item.id: position[item.speaker] % num_folds for item in items}


def _deal_utterances(items: list[FoldItem], num_folds: int, generator: random.Random) -> dict[str, int]:
    """The fold of every utterance, stratified by speaker and emotion."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.id):
        groups[item.speaker, item.emotion].append(item.id)
    fold_of: dict[str, int] = {}
    # The deal goes on where the last group ended: otherwise the first folds would get every remainder.
    position = 0
    for key in sorted(groups):
        generator.shuffle(groups[key])
        for id_ in groups[key]:
            fold_of[id_] = position % num_folds
            position += 1
    return fold_of

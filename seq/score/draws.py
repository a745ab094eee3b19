"""Random draws of utterances that a system may learn from, while the same others are scored whatever is drawn."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seq.score.predictions import Reference


@dataclass(frozen=True)
class Labelled:
    """An utterance, who speaks, and the number of its class."""

    id: str
    speaker: str
    label: int


def labelled(
    ids: Iterable[str], references: Mapping[str, Reference], task: str, classes: Sequence[str]
) -> list[Labelled]:
    """Those utterances whose label of a category task is one of the classes."""
    known = ((id_, references[id_]) for id_ in ids if id_ in references)
    return [
        Labelled(id_, reference.speaker, classes.index(str(reference.labels[task])))
        for id_, reference in known
        if reference.labels.get(task) in classes
    ]


def draw_support(pool: Sequence[Labelled], num_classes: int, count: int, draw: int, speaker: str) -> list[list[str]]:
    """The ids of `count` utterances of each class, in random order, by the draw's number and the scored speaker."""
    rng = random.Random(f"{draw}/{speaker}")
    by_class = [sorted(item.id for item in pool if item.label == number) for number in range(num_classes)]
    return [rng.sample(ids, count) for ids in by_class]


def draw_labelled(
    pool: Sequence[Labelled], classes: Sequence[str], count: int, draw: int, speaker: str
) -> tuple[list[str], list[str]]:
    """The same ids, one class after the other, and the class of each."""
    drawn = draw_support(pool, len(classes), count, draw, speaker)
    named = [(id_, name) for name, ids in zip(classes, drawn, strict=True) for id_ in ids]
    return [id_ for id_, _ in named], [name for _, name in named]


def fewest_of_a_class(pool: Sequence[Labelled], num_classes: int) -> int:
    """How many utterances can be drawn of every class."""
    return min(sum(item.label == number for item in pool) for number in range(num_classes))


def draw_clips(pool: Sequence[Labelled], count: int, draw: int, speaker: str) -> list[str]:
    """The ids of `count` utterances of any class, in random order; those of fewer are the first of these."""
    ids = sorted(item.id for item in pool)
    random.Random(f"{draw}/{speaker}").shuffle(ids)
    return ids[:count]


def halves(items: Sequence[Labelled], speaker: str) -> tuple[list[Labelled], list[Labelled]]:
    """A speaker's utterances to be scored and those to draw from: half of each class, of an odd number one more scored.

    Which is which is drawn by the speaker's name, once for all draws.
    """
    rng = random.Random(speaker)
    scored: list[Labelled] = []
    pool: list[Labelled] = []
    for number in sorted({item.label for item in items}):
        mine = sorted((item for item in items if item.label == number), key=lambda item: item.id)
        rng.shuffle(mine)
        half = len(mine) // 2
        pool += mine[:half]
        scored += mine[half:]
    return scored, pool

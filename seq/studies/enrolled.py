"""Known speakers: what a test speaker's own clips do for a network that never heard them. One fold.

Half of a speaker's utterances are scored, and clips are drawn from the other half, once for every condition: so many
clips without labels, or so many of each class with labels. Every condition scores the same utterances, and no draw has
one of them. How much is believed of few clips is chosen on the fold's valid speakers, as an export does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from seq.export.speakers import Head, choose_strengths, training_speakers
from seq.models.model import SpeechEqModel
from seq.runtime.speakers import Adaptation, Clips, Strengths, TrainingSpeakers, summarise_clips
from seq.score.calibration import fit_temperature
from seq.score.draws import Labelled, draw_clips, draw_labelled, fewest_of_a_class, halves
from seq.score.predictions import Reference
from seq.tasks.base import Outputs
from seq.tasks.kinds import UtteranceTask
from seq.tasks.predictions import ScalePrediction
from seq.tasks.registry import in_order, main_task

# Raised by whatever changes an answer.
VERSION: Final = 1


@dataclass(frozen=True)
class Condition:
    """How many clips of the speaker are heard: of any class, or of each class with its label."""

    count: int
    with_labels: bool = False

    @property
    def name(self) -> str:
        """As tables and JSON have it."""
        return f"{self.count} labelled" if self.with_labels else str(self.count)


@dataclass(frozen=True)
class Heard:
    """A fold's network, what it hears of every utterance (D,), what the manifest says of them, and its parts."""

    model: SpeechEqModel
    vectors: Mapping[str, np.ndarray]
    references: Mapping[str, Reference]
    train: Sequence[Labelled]
    valid: Sequence[Labelled]
    test: Sequence[Labelled]


@dataclass(frozen=True)
class _Readout:
    """A task whose answers are one of a few, its head, and what they are."""

    task: UtteranceTask
    outputs: Outputs
    head: Head

    @property
    def names(self) -> list[str]:
        return answer_names(self.outputs)

    def answers(self, vectors: np.ndarray, adaptation: Adaptation) -> list[int]:
        """The number of the answer for each of (N, D) vectors."""
        if self.task.name == main_task().name:
            return self.head.scores(vectors, adaptation).argmax(axis=1).tolist()
        numbers = self.head.scores(vectors + adaptation.shift(vectors))
        if self.outputs.kind == "category":
            return numbers.argmax(axis=1).tolist()
        found = [self.task.predict(row, None, self.outputs) for row in (1 / (1 + np.exp(-numbers))).tolist()]
        return [self.outputs.levels.index(one.hyp) for one in found if isinstance(one, ScalePrediction)]

    def reference(self, reference: Reference) -> int | None:
        """The number of what the manifest says; None where it says nothing."""
        label = reference.labels.get(self.task.name)
        if label is None:
            return None
        known = self.outputs.labels if self.outputs.kind == "category" else self.outputs.levels
        return next((i for i, one in enumerate(known) if one == label or _is_near(one, label)), None)


def _is_near(one: object, other: object) -> bool:
    return isinstance(one, float) and isinstance(other, float) and abs(one - other) < 1e-3


def answer_names(outputs: Outputs) -> list[str]:
    """What the answers of a category or a scale are called."""
    return list(outputs.labels) if outputs.kind == "category" else [f"{level:.3f}" for level in outputs.levels]


def scored_tasks(outputs: Mapping[str, Outputs]) -> list[UtteranceTask]:
    """The tasks of a network that are scored: the main one, and others that a speaker's clips may change."""
    found = [task for task in in_order(outputs) if isinstance(task, UtteranceTask)]
    return [task for task in found if not task.is_of_speaker and answer_names(outputs[task.name])]


def possible(conditions: Sequence[Condition], test: Sequence[Labelled], num_classes: int) -> dict[str, str]:
    """Why conditions cannot be had with these test speakers, by name; those that can are absent."""
    pools = {
        speaker: halves([item for item in test if item.speaker == speaker], speaker)[1]
        for speaker in sorted({item.speaker for item in test})
    }
    skipped = {}
    for one in conditions:
        counts = {
            speaker: fewest_of_a_class(pool, num_classes) if one.with_labels else len(pool)
            for speaker, pool in pools.items()
        }
        speaker = min(counts, key=counts.__getitem__)
        if one.count > counts[speaker]:
            what = "of some class " if one.with_labels else ""
            skipped[one.name] = f"there are {counts[speaker]} {what}to draw from of speaker {speaker}"
    return skipped


def score_fold(heard: Heard, conditions: Sequence[Condition], num_draws: int) -> dict[str, Any]:
    """What the network answers for every test speaker, as JSON has it.

    `strengths` and `temperature`, fitted on valid; by speaker, `ids` of the scored utterances, `drawn` by condition and
    draw, and by task the class numbers `refs` (None where unlabelled) and `answers`, by condition and draw.
    """
    spec, main = heard.model.spec, main_task().name
    classes = list(spec.outputs[main].labels)
    training = training_speakers(heard.vectors, heard.train, classes)
    temperature = _temperature(Head.of(heard.model, main), heard)
    head = Head.of(heard.model, main, temperature)
    strengths = choose_strengths(training, head, heard.vectors, heard.valid) or Strengths()
    readouts = [
        _Readout(task, spec.outputs[task.name], Head.of(heard.model, task.name)) for task in scored_tasks(spec.outputs)
    ]
    speakers = dict.fromkeys(item.speaker for item in heard.test)
    return {
        "strengths": asdict(strengths),
        "temperature": temperature,
        "speakers": [
            _score_speaker(speaker, heard, training, strengths, readouts, conditions, num_draws) for speaker in speakers
        ],
    }


def _temperature(head: Head, heard: Heard) -> float:
    logits = head.scores(np.stack([heard.vectors[item.id] for item in heard.valid]))
    probs = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return fit_temperature(probs, np.array([item.label for item in heard.valid]))


def _score_speaker(
    speaker: str,
    heard: Heard,
    training: TrainingSpeakers,
    strengths: Strengths,
    readouts: Sequence[_Readout],
    conditions: Sequence[Condition],
    num_draws: int,
) -> dict[str, Any]:
    scored, pool = halves([item for item in heard.test if item.speaker == speaker], speaker)
    vectors = np.stack([heard.vectors[item.id] for item in scored]).astype(np.float64)
    drawn: dict[str, list[list[str]]] = {}
    answers: dict[str, dict[str, list[list[int]]]] = {one.task.name: {} for one in readouts}
    for condition in conditions:
        # Nothing is drawn where nothing is heard.
        draws = range(num_draws if condition.count else 1)
        drawn[condition.name] = []
        for draw in draws:
            ids, clips = _draw(condition, heard, pool, list(training.classes), draw, speaker)
            drawn[condition.name].append(ids)
            adaptation = Adaptation(training, strengths, clips)
            for one in readouts:
                answers[one.task.name].setdefault(condition.name, []).append(one.answers(vectors, adaptation))
    refs = {one.task.name: [one.reference(heard.references[item.id]) for item in scored] for one in readouts}
    return {
        "speaker": speaker,
        "ids": [item.id for item in scored],
        "drawn": drawn,
        "refs": refs,
        "answers": answers,
    }


def _draw(
    condition: Condition, heard: Heard, pool: Sequence[Labelled], classes: Sequence[str], draw: int, speaker: str
) -> tuple[list[str], Clips]:
    labels: list[str] | None = None
    if condition.with_labels:
        ids, labels = draw_labelled(pool, classes, condition.count, draw, speaker)
    else:
        ids = draw_clips(pool, condition.count, draw, speaker)
    dim = len(next(iter(heard.vectors.values())))
    return ids, summarise_clips(np.array([heard.vectors[id_] for id_ in ids]).reshape(-1, dim), labels)

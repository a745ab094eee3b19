"""What training speakers sound like to a network, and how much it should believe of a stranger's few clips.

The second is chosen on valid speakers, whom training has not heard: half of a speaker's utterances are scored, clips
are drawn from the other half, and what counts is the log loss of the main category, averaged over speakers, numbers of
clips and draws. `seq.studies.enrolled` does the same in every fold, and then scores test speakers.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from seq.conf import Conf
from seq.errors import InputError
from seq.export.whole_run import WholeRun
from seq.models.model import SpeechEqModel
from seq.runtime.speakers import Adaptation, Clips, Strengths, TrainingSpeakers, summarise_clips
from seq.score.draws import Labelled, draw_clips, draw_labelled, fewest_of_a_class, halves, labelled
from seq.score.predictions import read_references
from seq.tasks.base import Setting
from seq.train.answers import embeddings_of

NUM_CLIPS: Final = (2, 8, 24)
NUM_LABELLED: Final = (1, 2)
NUM_DRAWS: Final = 10
# From believing nothing on; of equals the first is taken.
MEANS: Final = (None, 64.0, 32.0, 16.0, 8.0, 4.0)
DEVIATIONS: Final = (None, 64.0, 16.0)
PROTOTYPES: Final = (8.0, 4.0, 2.0, 1.0)
WEIGHTS: Final = (0.0, 2.0, 4.0, 8.0, 16.0)
# Of a part; more say no more of a mean.
MAX_UTTERANCES: Final = 2000
# A dimension in which speakers do not vary is left as it is.
_MIN_DEVIATION: Final = 1e-4
_DIGITS: Final = 6


@dataclass(frozen=True)
class Head:
    """The head of the main category: (C, D) weights, (C,) bias, and the temperature of its probabilities."""

    weights: np.ndarray
    bias: np.ndarray
    temperature: float = 1.0

    @staticmethod
    def of(model: SpeechEqModel, task: str, temperature: float = 1.0) -> Head:
        """The head of a network for a task."""
        head = model.heads[task]
        assert isinstance(head, torch.nn.Linear)
        return Head(head.weight.detach().double().numpy(), head.bias.detach().double().numpy(), temperature)

    def scores(self, vectors: np.ndarray, adaptation: Adaptation | None = None) -> np.ndarray:
        """(N, D) vectors -> (N, C) logits for a speaker."""
        if adaptation is None:
            return vectors @ self.weights.T + self.bias
        return self.scores(vectors + adaptation.shift(vectors)) + adaptation.class_shift(vectors)


def training_speakers(
    vectors: Mapping[str, np.ndarray], items: Sequence[Labelled], classes: Sequence[str]
) -> TrainingSpeakers:
    """Mean, deviation within a speaker, and means of classes; every speaker counts alike in the first two."""
    by_speaker: dict[str, list[np.ndarray]] = {}
    by_class: dict[int, list[np.ndarray]] = {}
    for item in items:
        by_speaker.setdefault(item.speaker, []).append(vectors[item.id])
        by_class.setdefault(item.label, []).append(vectors[item.id])
    heard = [np.stack(rows).astype(np.float64) for rows in by_speaker.values()]
    mean: np.ndarray = np.mean([rows.mean(axis=0) for rows in heard], axis=0)
    deviation = np.sqrt(np.mean([rows.var(axis=0, ddof=1) for rows in heard if len(rows) > 1], axis=0))
    # A class that train lacks lies in the middle of the others.
    means: dict[str, np.ndarray] = dict.fromkeys(classes, mean)
    means |= {classes[i]: np.stack(rows).astype(np.float64).mean(axis=0) for i, rows in by_class.items()}
    return TrainingSpeakers(mean, np.maximum(deviation, _MIN_DEVIATION), means)


@dataclass(frozen=True)
class _Trial:
    """Clips of a speaker, and the utterances that are scored with them: (N, D), (N,) class numbers."""

    clips: Clips
    vectors: np.ndarray
    labels: np.ndarray


def choose_strengths(
    training: TrainingSpeakers, head: Head, vectors: Mapping[str, np.ndarray], items: Sequence[Labelled]
) -> Strengths | None:
    """The strengths with the lowest log loss on the speakers of `items`; None where they have too few utterances."""
    plain, told = _trials(vectors, items, list(training.classes))
    if not plain:
        return None
    moved = [Strengths(mean, deviation) for mean, deviation in itertools.product(MEANS, DEVIATIONS)]
    best = min(moved, key=_loss(training, head, plain))
    if not told:
        return best
    believed = [
        replace(best, prototype=prototype, weight=weight)
        for weight, prototype in itertools.product(WEIGHTS, PROTOTYPES)
    ]
    return min(believed, key=_loss(training, head, told))


def _loss(training: TrainingSpeakers, head: Head, trials: Sequence[_Trial]) -> Callable[[Strengths], float]:
    def loss(strengths: Strengths) -> float:
        total = 0.0
        for trial in trials:
            logits = head.scores(trial.vectors, Adaptation(training, strengths, trial.clips)) / head.temperature
            logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
            total -= logs[np.arange(len(logs)), trial.labels].mean()
        # Rounding must not tell apart what is equal.
        return round(total / len(trials), 9)

    return loss


def _trials(
    vectors: Mapping[str, np.ndarray], items: Sequence[Labelled], classes: Sequence[str]
) -> tuple[list[_Trial], list[_Trial]]:
    """Draws without labels and with them, of every speaker and number of clips that the speaker has."""
    plain: list[_Trial] = []
    told: list[_Trial] = []
    for speaker in sorted({item.speaker for item in items}):
        scored, pool = halves([item for item in items if item.speaker == speaker], speaker)
        rows, refs = np.array([vectors[item.id] for item in scored]), np.array([item.label for item in scored])
        least = fewest_of_a_class(pool, len(classes))
        for draw in range(NUM_DRAWS):
            for count in (count for count in NUM_CLIPS if count <= len(pool)):
                ids = draw_clips(pool, count, draw, speaker)
                plain.append(_Trial(summarise_clips(np.array([vectors[id_] for id_ in ids])), rows, refs))
            for count in (count for count in NUM_LABELLED if count <= least):
                ids, labels = draw_labelled(pool, classes, count, draw, speaker)
                told.append(_Trial(summarise_clips(np.array([vectors[id_] for id_ in ids]), labels), rows, refs))
    return plain, told


def measure_speakers(model: SpeechEqModel, conf: Conf, run: WholeRun, main: str, temperature: float) -> dict[str, Any]:
    """What model.json says of training speakers (`seq.runtime.speakers.Speakers`).

    Raises:
        InputError: the run has no recipe around it, stage 2's features are gone, or a part is too small.
    """
    if run.fold is None or run.manifest is None or run.features is None:
        raise InputError("the run has no folds, manifest or features of its recipe beside it")
    if not run.fold.valid_speaker_disjoint:
        raise InputError("valid has speakers of train, so that nobody knows how a stranger's clips help")
    classes = list(model.spec.outputs[main].labels)
    references = read_references(run.manifest, Setting(conf.protocol(run.record["protocol"]["name"]), conf.corpus))
    parts = []
    for ids in (run.fold.train, run.fold.valid):
        items = labelled(ids, references, main, classes)
        some = items if len(items) <= MAX_UTTERANCES else random.Random(0).sample(items, MAX_UTTERANCES)
        parts.append((some, embeddings_of(model, run.features, [item.id for item in some])))
    (train, vectors), (valid, valid_vectors) = parts
    if len({item.speaker for item in train}) == len(train):
        raise InputError("no speaker of train has two utterances")
    training = training_speakers(vectors, train, classes)
    strengths = choose_strengths(training, Head.of(model, main, temperature), valid_vectors, valid)
    if strengths is None:
        raise InputError("no speaker of valid has utterances to choose by")
    return {
        "num_speakers": len({item.speaker for item in train}),
        "num_utterances": len(train),
        "mean": _rounded(training.mean),
        "deviation": _rounded(training.deviation),
        "classes": {name: _rounded(mean) for name, mean in training.classes.items()},
        "strengths": asdict(strengths),
    }


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]

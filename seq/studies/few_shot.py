"""Few-shot: what k labelled utterances of a class do for speakers whom the source never heard.

Every speaker of the target is scored with labelled utterances of the other ones: another corpus's speakers by one run
of the source experiment; of the same corpus, the test speakers of every fold by that fold's run, with labelled
utterances of the fold's other test speakers, and of its valid speakers. So every k scores the same utterances, and no
draw for a speaker has one of that speaker's own. The first k of a draw are those of a smaller k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from seq.data.fold_files import fold_numbers
from seq.data.folds import load_fold
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.score.draws import Labelled, draw_support, labelled
from seq.score.predictions import read_references
from seq.studies.few_shot_prototypes import class_means
from seq.studies.few_shot_refit import Linear, choose_strength, refit
from seq.studies.few_shot_vectors import Space
from seq.tasks.base import Setting
from seq.tasks.registry import main_task

# A space, the vectors (N, D) and class numbers (N,) of labelled utterances -> the classifier that answers.
Adapt = Callable[[Space, np.ndarray, np.ndarray], Linear]


def _refit(space: Space, vectors: np.ndarray, labels: np.ndarray) -> Linear:
    return refit(vectors, labels, space.classifier, choose_strength(vectors, labels, space.classifier))


def _means(space: Space, vectors: np.ndarray, labels: np.ndarray) -> Linear:
    return class_means(vectors, labels, len(space.classifier.bias))


@dataclass(frozen=True)
class Method:
    """A way of using labelled utterances: in which space of `few_shot_vectors`, and how; None does not."""

    name: str
    space: str
    adapt: Adapt | None
    about: str


METHODS: Final = (
    Method("as it is", "embedding", None, "the source's classifier, which hears none of the labelled utterances"),
    Method("re-fitted", "embedding", _refit,
           "the source's last layer fitted again to the labelled utterances, held to what it was; how firmly is chosen "
           "by log loss on labelled utterances held out"),
    Method("prototypes", "prototypes", _means,
           "a prototypical network trained in episodes on the source; without the further training on the target's "
           "utterances of arXiv 2410.04633"),
    Method("cross-attention", "cross-attention", _refit,
           "the encoder's frames, MFCC and prosody under cross-attention, trained on the source and re-fitted in its "
           "last layer; arXiv 2501.10408 has HuBERT below and trains all of it again"),
)  # fmt: skip


@dataclass(frozen=True)
class Round:
    """One scored speaker, the fold whose run answers, and the other speakers' utterances, to draw from."""

    fold: int
    speaker: str
    scored: list[Labelled]
    pool: list[Labelled]


def common_classes(source: Sequence[str], target: Sequence[str]) -> list[str]:
    """The classes that both know, in the source's order. Raises InputError for fewer than two."""
    found = [name for name in source if name in target]
    if len(found) < 2:
        raise InputError(
            f"source ({', '.join(source)}) and target ({', '.join(target)}) have fewer than two classes in common: "
            "choose other protocols"
        )
    return found


def labelled_items(recipe: Recipe, classes: Sequence[str]) -> dict[str, Labelled]:
    """All utterances of a recipe whose class is a common one, by id. Raises InputError where stage 1 has not run."""
    references = read_references(recipe.cuts, Setting(recipe.protocol, recipe.conf.corpus))
    return {item.id: item for item in labelled(references, references, main_task().name, classes)}


def make_rounds(target: Recipe, items: dict[str, Labelled], folds: Sequence[int], is_same: bool) -> list[Round]:
    """Who is scored by which run, and whose utterances may be labelled.

    Args:
        items: of the target.
        folds: of the source; another corpus is scored by the run of the first one.
        is_same: whether source and target are one corpus and protocol.

    Raises:
        InputError: stage 3 has not run, the same corpus's folds share speakers, or a speaker stands alone.
    """
    speakers = {id_: item.speaker for id_, item in items.items()}
    parts: list[tuple[int, list[str], list[str]]] = []
    if is_same:
        for number in folds:
            fold = load_fold(target.folds_dir, number)
            if not fold.speaker_disjoint:
                raise InputError(
                    f"protocol {target.protocol.name} tests speakers who are in train: choose one that does not"
                )
            parts.append((number, fold.test, fold.valid if fold.valid_speaker_disjoint else []))
    else:
        numbers = fold_numbers(target.folds_dir)
        if not numbers:
            raise InputError(f"{target.folds_dir} has no folds: run {target.folder}/run.sh --stop-stage 3 first")
        tests = [id_ for number in numbers for id_ in load_fold(target.folds_dir, number).test]
        parts.append((folds[0], list(dict.fromkeys(tests)), []))
    rounds = []
    for number, test, others in parts:
        known = [items[id_] for id_ in test if id_ in items]
        for speaker in dict.fromkeys(speakers[item.id] for item in known):
            pool = [item for item in [*known, *(items[id_] for id_ in others if id_ in items)]
                    if item.speaker != speaker]  # fmt: skip
            if not pool:
                raise InputError(
                    f"{speaker} is the only test speaker of fold {number} of {target.protocol.name}, and nobody else "
                    "is there to label utterances of: choose a protocol that tests several speakers at once"
                )
            rounds.append(Round(number, speaker, [item for item in known if item.speaker == speaker], pool))
    return rounds


def possible_shots(
    rounds: Sequence[Round], classes: Sequence[str], shots: Sequence[int]
) -> tuple[list[int], dict[int, str]]:
    """The k that every class of every pool has, and why the others are skipped."""
    counts = [(Counter(item.label for item in one.pool), one.speaker) for one in rounds]
    least, label, speaker = min(
        (count[number], number, speaker) for count, speaker in counts for number in range(len(classes))
    )
    reason = f"the speakers who are not scored with {speaker} have {least} utterances of {classes[label]}"
    return [k for k in shots if k <= least], {k: reason for k in shots if k > least}


def score_round(
    one: Round, spaces: dict[str, Space], num_classes: int, shots: Sequence[int], num_draws: int
) -> dict[str, Any]:
    """What every method answers for a speaker, as JSON has it.

    `ids` and `refs` of the scored utterances; `support`, by draw and class, the drawn ids; `answers`, by method and k,
    the class numbers of every draw (of one, where nothing is drawn).
    """
    known = {item.id: item for item in one.pool}
    support = [draw_support(one.pool, num_classes, max(shots), draw, one.speaker) for draw in range(num_draws)]
    answers: dict[str, dict[str, list[list[int]]]] = {}
    for method in METHODS:
        space = spaces[method.space]
        answer = partial(_answer, space.of(one.scored))
        answers[method.name] = {}
        for k in shots if method.adapt is not None else (0,):
            if k == 0 or method.adapt is None:
                answers[method.name]["0"] = [answer(space.classifier)]
                continue
            found = []
            for drawn in support:
                labelled = [known[id_] for ids in drawn for id_ in ids[:k]]
                labels = np.array([item.label for item in labelled])
                found.append(answer(method.adapt(space, space.of(labelled), labels)))
            answers[method.name][str(k)] = found
    return {
        "speaker": one.speaker,
        "fold": one.fold,
        "ids": [item.id for item in one.scored],
        "refs": [item.label for item in one.scored],
        "support": support,
        "answers": answers,
    }


def _answer(vectors: np.ndarray, classifier: Linear) -> list[int]:
    return classifier.scores(vectors).argmax(axis=1).tolist()


def needed(rounds: Sequence[Round], fold: int) -> list[Labelled]:
    """The target's utterances that the run of a fold must hear, once each."""
    items = (item for one in rounds if one.fold == fold for item in [*one.scored, *one.pool])
    return list({item.id: item for item in items}.values())


def cuts_of(recipe: Recipe, option: str) -> Path:
    """Stage 2's manifest for the source's network. Raises InputError, naming the option, where it is not there."""
    if not recipe.features.exists():
        raise InputError(
            f"{option}: {recipe.features} does not exist: run {recipe.folder}/run.sh --model {recipe.conf.model_name} "
            "--stop-stage 4 first"
        )
    return recipe.features

"""Who of one's own corpus trains, validates and tests: as its table says, or speakers dealt by a seed, unseen."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seq.conf import CorpusConf, ProtocolConf
from seq.corpora.copies import read_copies
from seq.data.fold_checks import PARTS, Folds
from seq.errors import name_some
from seq.labels import EMOTION
from seq.recipe.recipe import Recipe
from seq.tasks.base import Setting
from seq.tasks.registry import all_tasks
from seq.utils.protocol_conf import FoldConf, RandomFolds, Selection

if TYPE_CHECKING:
    from lhotse import MonoCut

PROTOCOL = "finetune"
# Test is a fifth of the speakers, and valid another; of three or four speakers, one each.
NUM_PARTS = 5
NUM_DEALS = 20


def split_speakers(manifest: Path, emotions: list[str], seed: int) -> ProtocolConf:
    """A protocol of one fold: test and valid are speakers that the seed deals, train is the others.

    Of `NUM_DEALS` deals it takes the first whose train part lacks the fewest of all emotions and genders, and then
    whose valid and test parts do: with few speakers, chance alone may leave only men to learn from.
    """
    from lhotse import CutSet

    from seq.data.folds import make_folds

    cuts = list(CutSet.from_file(manifest))
    labels = _labels(cuts)
    supervisions = [cut.supervisions[0] for cut in cuts]
    num_parts = min(NUM_PARTS, len({found.speaker for found in supervisions if EMOTION in (found.custom or {})}))

    def deal(number: int) -> Folds:
        random = RandomFolds(num_parts, seed * NUM_DEALS + number, "speaker")
        return make_folds(cuts, ProtocolConf(PROTOCOL, "", emotions, random=random))

    def coverage(folds: Folds) -> tuple[int, int]:
        train, *others = (_found(getattr(folds.folds[0], part), labels) for part in PARTS)
        return len(train), sum(map(len, others))

    # The first of equally good ones.
    best = max((deal(number) for number in range(NUM_DEALS)), key=coverage)
    of = {part: sorted({best.speakers[id_] for id_ in getattr(best.folds[0], part)}) for part in ("test", "valid")}
    about = (
        f"one split by speakers, dealt with seed {seed}; test {name_some(of['test'])}, valid {name_some(of['valid'])}"
    )
    fold = FoldConf(test=Selection(speakers=of["test"]), valid=Selection(speakers=of["valid"]))
    return ProtocolConf(PROTOCOL, about, emotions, folds=[fold])


def table_split(manifest: Path, emotions: list[str]) -> ProtocolConf:
    """A protocol of one fold, which is the table's column `split`; speaker-disjoint where that is."""
    from lhotse import CutSet

    from seq.data.folds import make_folds

    mixed = ProtocolConf(PROTOCOL, "the split of the table", emotions, speaker_disjoint=False, column="split")
    folds = make_folds(CutSet.from_file(manifest), mixed)
    tested, others = ({folds.speakers[id_] for part in parts for id_ in getattr(folds.folds[0], part)}
                      for parts in (["test"], ["train", "valid"]))  # fmt: skip
    if shared := sorted(tested & others):
        who = f"{len(shared)} of {len(tested)} speakers of test are in train or valid, too: {name_some(shared)}"
        print(f"warning: {who}; the scores do not hold for new speakers", file=sys.stderr)
        return replace(mixed, description=f"{mixed.description}; {who}")
    return replace(mixed, speaker_disjoint=True)


def _labels(cuts: Iterable[MonoCut]) -> dict[str, set[str]]:
    """The classes of every utterance, of all tasks that have classes, by id."""
    setting = Setting(ProtocolConf(PROTOCOL, "", []), CorpusConf("", ""))
    tasks = [task for task in all_tasks() if task.kind == "category"]
    return {
        cut.id: {str(label) for task in tasks if (label := task.label(cut.supervisions[0], setting)) is not None}
        for cut in cuts
    }


def _found(ids: list[str], labels: dict[str, set[str]]) -> set[str]:
    """The classes that occur among some utterances."""
    return {name for id_ in ids for name in labels[id_]}


def with_protocol(recipe: Recipe, protocol: ProtocolConf) -> Recipe:
    """The same folder under a protocol."""
    return Recipe(recipe.folder, replace(recipe.conf, protocols=[protocol]), protocol)


def prepare_split(recipe: Recipe) -> None:
    """Write the fold of the recipe's protocol, and warn of emotions and genders that train lacks.

    Raises:
        InputError: a recording is in test, and under another id in train or valid.
    """
    from lhotse import CutSet

    from seq.data.folds import load_fold, prepare_folds

    cuts, copies = CutSet.from_file(recipe.cuts), read_copies(recipe.corpus_json)
    prepare_folds(recipe.conf.corpus.name, cuts, recipe.protocol, recipe.folds_dir, copies=copies)
    fold = load_fold(recipe.folds_dir, 1)
    labels = _labels(CutSet.from_file(recipe.cuts))
    if unseen := _found(fold.test, labels) - _found(fold.train, labels):
        print(
            f"warning: nobody in train is {name_some(sorted(unseen))}, and test is: it cannot be learnt",
            file=sys.stderr,
        )

"""Stage 3: who is train, valid and test; and the proof that they do not overlap.

Published folds come from the conf and are never redrawn. After the labels outside a protocol are excluded, with a
count, nothing leaves test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from seq.conf import ProtocolConf
from seq.data.fold_checks import PARTS, Fold, FoldItem, Folds, check_copies, check_fold, empty_parts, make_fold
from seq.data.fold_files import FoldsSummary, fold_json, fold_numbers, write_folds
from seq.data.own_folds import own_folds
from seq.data.protocol_checks import check_names, check_protocol, check_tests, named_utterances
from seq.data.random_folds import random_folds
from seq.errors import InputError
from seq.labels import EMOTION
from seq.tasks.predictions import ManifestRow
from seq.utils.files import read_json
from seq.utils.protocol_conf import FoldConf, Selection
from seq.utils.typed_values import read_typed

if TYPE_CHECKING:
    from lhotse.cut import MonoCut


class ProtocolRecord(TypedDict):
    """What scores.json, run.json and a model folder say of a protocol."""

    name: str
    description: str
    speaker_disjoint: bool


def protocol_emotion(emotion: str | None, protocol: ProtocolConf) -> str | None:
    """The class that a canonical emotion belongs to under a protocol: merged, or None where it is outside."""
    merged = protocol.merged(emotion) if emotion is not None else None
    return merged if merged in protocol.emotions else None


def describe_protocol(protocol: ProtocolConf) -> ProtocolRecord:
    """A protocol for people who do not have its conf."""
    return {
        "name": protocol.name,
        "description": protocol.description,
        "speaker_disjoint": protocol.speaker_disjoint,
    }


def make_folds(
    cuts: Iterable[MonoCut | ManifestRow],
    protocol: ProtocolConf,
    partial: bool = False,
    copies: Sequence[list[str]] = (),
) -> Folds:
    """Split the utterances of a corpus as the protocol says, and check every fold.

    Args:
        cuts: the manifest, as Lhotse reads it or line by line.
        partial: the corpus is a partial copy. Folds then go without the speakers and sentences that it lacks, and a
            fold with nobody left to train on, to choose on or to test is skipped: others never take their place.
        copies: see `check_copies`.

    Raises:
        InputError: the protocol names an unknown emotion, speaker, sentence or utterance, tests a speaker in two folds
            or a copy of what is trained on, or gives an overlapping or an empty part; or a partial copy leaves no fold.
    """
    check_protocol(protocol)
    items, excluded, found = _select(cuts, protocol)
    absent: dict[str, list[str]] = {}
    if protocol.random is not None:
        folds = random_folds(items, protocol, partial)
    elif protocol.column is not None:
        folds = own_folds(items, protocol, partial)
    else:
        absent = check_names(items, protocol, found, partial)
        folds = [_split(items, conf, number, protocol) for number, conf in enumerate(protocol.folds, start=1)]
    skipped = _skip_empty(folds, protocol) if partial else {}
    folds = [fold for fold in folds if fold.fold not in skipped]
    speakers = {item.id: item.speaker for item in items}
    result = Folds(folds, excluded, skipped, absent, speakers, {item.id: item.sentence for item in items})
    for fold in folds:
        check_fold(fold, result.speakers, result.sentences)
        check_copies(fold, copies)
    check_tests(result, protocol)
    return result


def _skip_empty(folds: list[Fold], protocol: ProtocolConf) -> dict[int, str]:
    skipped = {
        fold.fold: f"no utterance is left in {' and '.join(empty)}" for fold in folds if (empty := empty_parts(fold))
    }
    if len(skipped) == len(folds):
        raise InputError(
            f"protocol {protocol.name}: this partial copy leaves no fold with somebody in train, valid and test: "
            "complete it, or write a conf whose folds name the speakers that are there"
        )
    return skipped


def load_fold(
    folds_dir: Path,
    number: int,
    speakers: dict[str, str] | None = None,
    sentences: dict[str, str | None] | None = None,
) -> Fold:
    """Read fold `number` (from 1) and check it again; see `check_fold`.

    Raises:
        InputError: the file is missing or broken, or its parts overlap.
    """
    path = fold_json(Path(folds_dir), number)
    if not path.exists():
        known = fold_numbers(Path(folds_dir))
        what = f"the folds are {', '.join(map(str, known))}" if known else "run stage 3 first"
        raise InputError(f"there is no fold {number} in {folds_dir}: {what}")
    data = read_json(path)
    keys = {item.name for item in fields(Fold)}
    # Beside these it says what it was made of.
    own = {key: value for key, value in data.items() if key in keys} if isinstance(data, dict) else data
    fold = read_typed(own, Fold, f"{path} is damaged, run stage 3 again")
    check_fold(fold, speakers, sentences)
    return fold


def prepare_folds(
    corpus: str,
    cuts: Iterable[MonoCut | ManifestRow],
    protocol: ProtocolConf,
    out_dir: Path,
    partial: bool = False,
    copies: Sequence[list[str]] = (),
) -> None:
    """Make the folds and write them to `out_dir`; see `make_folds` and `seq.data.fold_files`."""
    result = make_folds(cuts, protocol, partial, copies)
    summary = FoldsSummary(len(result.folds) + len(result.skipped), result.skipped, result.absent)
    written = ((fold, {**result.excluded, **result.left_out(fold)}) for fold in result.folds)
    write_folds(out_dir, corpus, protocol.name, written, summary)
    kind = "speaker-disjoint" if protocol.speaker_disjoint else "SPEAKER-DEPENDENT"
    print(f"{out_dir}: protocol {protocol.name}, {len(result.folds)} folds, {kind}")
    for reason, count in result.excluded.items():
        print(f"  excluded {count} utterances: {reason}")
    for line in summary.describe():
        print(f"  this copy of {corpus} is partial: {line}")
    for fold in result.folds:
        print(f"  fold {fold.fold}: {result.describe(fold)}")


def _select(
    cuts: Iterable[MonoCut | ManifestRow], protocol: ProtocolConf
) -> tuple[list[FoldItem], dict[str, int], set[str]]:
    """The utterances of the protocol, how many are excluded, by reason, and which of those that it names there are."""
    items: list[FoldItem] = []
    excluded: Counter[str] = Counter()
    named = named_utterances(protocol)
    found = set()
    # Of a name that a million utterances share there is one string.
    shared: dict[str, str] = {}
    for cut in cuts:
        row = cut if isinstance(cut, ManifestRow) else _row(cut)
        label = row.custom.get(EMOTION)
        emotion = protocol_emotion(label, protocol)
        if row.id in named:
            found.add(row.id)
        if protocol.languages and row.language not in protocol.languages:
            excluded[f"language {row.language} is outside the protocol"] += 1
        elif emotion is None:
            excluded[f"emotion {label} is outside the protocol" if label else "no emotion label"] += 1
        else:
            speaker, emotion = shared.setdefault(row.speaker, row.speaker), shared.setdefault(emotion, emotion)
            own = map(row.custom.get, ("sentence", "split", "fold"))
            sentence, split, fold = (name and shared.setdefault(name, name) for name in own)
            items.append(FoldItem(row.id, speaker, sentence, emotion, split, fold))
    return items, dict(sorted(excluded.items())), found


def _row(cut: MonoCut) -> ManifestRow:
    found = cut.supervisions[0]
    return ManifestRow(cut.id, found.speaker, found.gender, found.text, found.custom or {}, found.language)


def _matcher(selection: Selection) -> Callable[[FoldItem], bool]:
    """Whether an utterance is selected."""
    lists = {"speaker": selection.speakers, "sentence": selection.sentences, "id": selection.utterances}
    named = [(attrgetter(what), frozenset(names)) for what, names in lists.items() if names]
    return lambda item: bool(named) and all(value(item) in names for value, names in named)


def _split(items: list[FoldItem], conf: FoldConf, number: int, protocol: ProtocolConf) -> Fold:
    parts: dict[str, list[FoldItem]] = {part: [] for part in PARTS}
    in_test, in_valid = _matcher(conf.test), _matcher(conf.valid)
    in_train = _matcher(conf.train) if conf.train is not None else lambda item: True
    for item in items:
        if in_test(item) or in_valid(item):
            parts["test" if in_test(item) else "valid"].append(item)
        elif in_train(item) and not (protocol.sentence_disjoint and _is_near(item, (conf.test, conf.valid))):
            parts["train"].append(item)
    by_speakers = protocol.sentence_disjoint or bool(conf.valid.speakers) or not conf.valid.sentences
    return make_fold(number, protocol, parts, by_speakers)


def _is_near(item: FoldItem, selections: Iterable[Selection]) -> bool:
    """Whether an utterance shares a speaker or a sentence with one of the selections."""
    return any(item.speaker in part.speakers or item.sentence in part.sentences for part in selections)

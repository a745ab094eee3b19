"""Stage 3: who is train, valid and test; and the proof that they do not overlap.

Published folds come from the conf and are never redrawn. After the labels outside a protocol are excluded, with a
count, nothing leaves test.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from seq.conf import FoldConf, ProtocolConf, Selection
from seq.data.fold_checks import (
    PARTS,
    Fold,
    FoldItem,
    Folds,
    check_copies,
    check_fold,
    check_names,
    check_protocol,
    check_tests,
    empty_parts,
)
from seq.data.fold_files import FoldsSummary, fold_numbers, write_folds
from seq.errors import InputError
from seq.labels import EMOTION
from seq.utils.files import read_json

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
    cuts: Iterable[MonoCut], protocol: ProtocolConf, partial: bool = False, copies: Sequence[list[str]] = ()
) -> Folds:
    """Split the utterances of a corpus as the protocol says, and check every fold.

    Args:
        partial: the corpus is a partial copy. Folds then go without the speakers and sentences that it lacks, and a
            fold with nobody left to train on, to choose on or to test is skipped: others never take their place.
        copies: see `check_copies`.

    Raises:
        InputError: the protocol names an unknown emotion, speaker or sentence, tests a speaker in two folds or a copy
            of what is trained on, or gives an overlapping or an empty part; or a partial copy leaves no fold.
    """
    check_protocol(protocol)
    items, excluded = _select(cuts, protocol)
    absent: dict[str, list[str]] = {}
    if protocol.random is not None:
        folds = _random_folds(items, protocol, partial)
    else:
        absent = check_names(items, protocol, partial)
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
    path = Path(folds_dir) / f"fold_{number}.json"
    if not path.exists():
        known = fold_numbers(Path(folds_dir))
        what = f"the folds are {', '.join(map(str, known))}" if known else "run stage 3 first"
        raise InputError(f"there is no fold {number} in {folds_dir}: {what}")
    data = read_json(path)
    keys = ("fold", "speaker_disjoint", "valid_speaker_disjoint", *PARTS)
    missing = [key for key in keys if key not in data]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}: run stage 3 again")
    fold = Fold(**{key: data[key] for key in keys}, sentence_disjoint=data.get("sentence_disjoint", False))
    check_fold(fold, speakers, sentences)
    return fold


def prepare_folds(
    corpus: str,
    cuts: Iterable[MonoCut],
    protocol: ProtocolConf,
    out_dir: Path,
    partial: bool = False,
    copies: Sequence[list[str]] = (),
) -> None:
    """Make the folds and write them to `out_dir`; see `make_folds` and `seq.data.fold_files`."""
    result = make_folds(cuts, protocol, partial, copies)
    summary = FoldsSummary(len(result.folds) + len(result.skipped), result.skipped, result.absent)
    write_folds(out_dir, corpus, protocol.name, ((fold, result.excluded) for fold in result.folds), summary)
    kind = "speaker-disjoint" if protocol.speaker_disjoint else "SPEAKER-DEPENDENT"
    print(f"{out_dir}: protocol {protocol.name}, {len(result.folds)} folds, {kind}")
    for reason, count in result.excluded.items():
        print(f"  excluded {count} utterances: {reason}")
    for line in summary.describe():
        print(f"  this copy of {corpus} is partial: {line}")
    for fold in result.folds:
        sizes = ", ".join(
            f"{part} {len(ids)} ({len({result.speakers[id_] for id_ in ids})} speakers)"
            for part, ids in ((part, getattr(fold, part)) for part in PARTS)
        )
        num_left_out = len(result.speakers) - sum(len(getattr(fold, part)) for part in PARTS)
        reason = "share a speaker or a sentence with valid or test"
        print(f"  fold {fold.fold}: {sizes}" + (f"; {num_left_out} {reason}, and are left out" if num_left_out else ""))


def _select(cuts: Iterable[MonoCut], protocol: ProtocolConf) -> tuple[list[FoldItem], dict[str, int]]:
    items: list[FoldItem] = []
    excluded: Counter[str] = Counter()
    for cut in cuts:
        supervision = cut.supervisions[0]
        custom = supervision.custom or {}
        label = custom.get(EMOTION)
        emotion = protocol_emotion(label, protocol)
        if protocol.languages and supervision.language not in protocol.languages:
            excluded[f"language {supervision.language} is outside the protocol"] += 1
        elif emotion is None:
            excluded[f"emotion {label} is outside the protocol" if label else "no emotion label"] += 1
        else:
            items.append(FoldItem(cut.id, supervision.speaker, custom.get("sentence"), emotion))
    return items, dict(sorted(excluded.items()))


def _matches(item: FoldItem, selection: Selection) -> bool:
    if not selection.speakers and not selection.sentences:
        return False
    return (not selection.speakers or item.speaker in selection.speakers) and (
        not selection.sentences or item.sentence in selection.sentences
    )


def _split(items: list[FoldItem], conf: FoldConf, number: int, protocol: ProtocolConf) -> Fold:
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for item in items:
        part = "test" if _matches(item, conf.test) else "valid" if _matches(item, conf.valid) else "train"
        if part != "train" or not (protocol.sentence_disjoint and _is_near(item, (conf.test, conf.valid))):
            parts[part].append(item.id)
    valid_disjoint = protocol.speaker_disjoint and (protocol.sentence_disjoint or not conf.valid.sentences)
    train, valid, test = (parts[part] for part in PARTS)
    return Fold(number, protocol.speaker_disjoint, valid_disjoint, train, valid, test, protocol.sentence_disjoint)


def _is_near(item: FoldItem, selections: Iterable[Selection]) -> bool:
    """Whether an utterance shares a speaker or a sentence with one of the selections."""
    return any(item.speaker in part.speakers or item.sentence in part.sentences for part in selections)


def _random_folds(items: list[FoldItem], protocol: ProtocolConf, partial: bool) -> list[Fold]:
    """Deal the speakers, or the utterances of each speaker and emotion, shuffled, to the folds in turn."""
    assert protocol.random is not None
    num_folds = protocol.random.num_folds
    generator = random.Random(protocol.random.seed)
    if protocol.random.by == "speaker":
        fold_of = _deal_speakers(items, protocol, generator, partial)
    else:
        fold_of = _deal_utterances(items, num_folds, generator)
    disjoint = protocol.speaker_disjoint
    folds = []
    for index in range(num_folds):
        parts: dict[str, list[str]] = {part: [] for part in PARTS}
        for item in items:
            distance = (fold_of[item.id] - index) % num_folds
            parts["test" if distance == 0 else "valid" if distance == 1 else "train"].append(item.id)
        folds.append(Fold(index + 1, disjoint, disjoint, parts["train"], parts["valid"], parts["test"]))
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

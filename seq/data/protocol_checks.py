"""Whether a protocol makes sense, by itself and for a corpus; run when folds are made."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from seq.conf import ProtocolConf
from seq.data.fold_checks import FoldItem, Folds
from seq.data.fold_files import check_num_folds
from seq.errors import InputError
from seq.labels import EMOTIONS
from seq.utils.protocol_conf import FoldConf, Selection

# What a fold of a conf may name, and the key under which absent ones are listed.
NAMED: Final = {"speaker": "speakers", "sentence": "sentences", "utterance": "utterances"}


def check_protocol(protocol: ProtocolConf) -> None:
    """Check a protocol by itself. Raises InputError naming what is wrong with it."""
    name = protocol.name
    for emotion in [*protocol.emotions, *(n for item in protocol.merges for n in (item.raw, item.name))]:
        if emotion not in EMOTIONS:
            raise InputError(f"protocol {name}: {emotion!r} is not an emotion; choose from {', '.join(EMOTIONS)}")
    for item in protocol.merges:
        if item.name not in protocol.emotions:
            raise InputError(
                f"protocol {name} merges {item.raw} into {item.name}, which is not among its emotions: add it"
            )
    if protocol.sentence_disjoint and not all(fold.test.sentences and fold.valid.sentences for fold in protocol.folds):
        raise InputError(f"protocol {name} is sentence_disjoint: name sentences in test and valid of every fold")
    if sum((bool(protocol.folds), protocol.random is not None, protocol.column is not None)) != 1:
        raise InputError(f"protocol {name} needs one of folds, random and column: correct the conf")
    _check_lists(protocol)
    check_num_folds(name, protocol.random.num_folds if protocol.random else len(protocol.folds))
    if protocol.random is not None and protocol.random.num_folds < 3:
        raise InputError(f"protocol {name}: random.num_folds is {protocol.random.num_folds}; it takes 3 or more")
    if protocol.random is not None and protocol.speaker_disjoint != (protocol.random.by == "speaker"):
        truth = "deals whole speakers" if protocol.random.by == "speaker" else "draws folds at random, mixing speakers"
        wanted = str(not protocol.speaker_disjoint).lower()
        raise InputError(f"protocol {name} {truth}: set speaker_disjoint to {wanted}")


def named_utterances(protocol: ProtocolConf) -> set[str]:
    """The ids that the folds name."""
    return {name for fold in protocol.folds for _, part in _selections(fold) for name in part.utterances}


def _selections(fold: FoldConf) -> list[tuple[str, Selection]]:
    parts = [("test", fold.test), ("valid", fold.valid)]
    return parts if fold.train is None else [*parts, ("train", fold.train)]


def _check_lists(protocol: ProtocolConf) -> None:
    """No utterance is listed for two parts of a fold."""
    for number, fold in enumerate(protocol.folds, start=1):
        part_of: dict[str, str] = {}
        for part, selection in _selections(fold):
            for name in selection.utterances:
                if (other := part_of.setdefault(name, part)) != part:
                    raise InputError(
                        f"protocol {protocol.name}, fold {number} names the utterance {name!r} in {other} and in "
                        f"{part}: keep it in one"
                    )


def check_names(
    items: list[FoldItem], protocol: ProtocolConf, utterances: Set[str], partial: bool = False
) -> dict[str, list[str]]:
    """Check that the corpus has every speaker, sentence and utterance that the folds name.

    Args:
        utterances: those of `named_utterances` that there are, those outside the protocol included.
        partial: the corpus is a partial copy, which may lack some.

    Returns:
        {"speakers": [...], "sentences": [...], "utterances": [...]} that it lacks; a key without any is left out.

    Raises:
        InputError: it lacks one and is not partial.
    """
    absent: dict[str, list[str]] = {}
    known = {
        "speaker": {item.speaker for item in items},
        "sentence": {item.sentence for item in items if item.sentence is not None},
        "utterance": utterances,
    }
    for number, fold in enumerate(protocol.folds, start=1):
        for part, selection in _selections(fold):
            for what, key in NAMED.items():
                unknown = [name for name in getattr(selection, key) if name not in known[what]]
                if unknown and partial:
                    absent[key] = sorted({*absent.get(key, []), *unknown})
                elif unknown:
                    there = known[what] or {item.id for item in items}
                    some = ", ".join(sorted(there)[:8])
                    raise InputError(
                        f"protocol {protocol.name}, fold {number}, {part} names the {what} {unknown[0]!r}, which the "
                        f"corpus lacks (it has {some}, ...): correct the conf, or complete the corpus"
                    )
    return absent


def check_tests(result: Folds, protocol: ProtocolConf) -> None:
    """No utterance, and under a speaker-disjoint protocol no speaker, is tested in two folds."""
    seen: dict[str, int] = {}
    for fold in result.folds:
        names = {result.speakers[id_] for id_ in fold.test} if protocol.speaker_disjoint else set(fold.test)
        for name in sorted(names):
            if name in seen:
                what = "speaker" if protocol.speaker_disjoint else "utterance"
                raise InputError(
                    f"protocol {protocol.name}: {what} {name} is in the test part of folds {seen[name]} and "
                    f"{fold.fold}: keep it in one"
                )
            seen[name] = fold.fold

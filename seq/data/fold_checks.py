"""What a fold is, and the checks that keep its parts apart; run when folds are made and whenever one is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from seq.conf import ProtocolConf
from seq.data.fold_files import check_num_folds
from seq.errors import InputError
from seq.labels import EMOTIONS

PARTS = ("train", "valid", "test")
# What a fold of a conf may name, and the key under which absent ones are listed.
NAMED: Final = {"speaker": "speakers", "sentence": "sentences"}


@dataclass
class Fold:
    """The utterance ids of one fold, in the order of the manifest; folds count from 1.

    `speaker_disjoint`: no test speaker is in train or valid. `valid_speaker_disjoint`: no valid speaker is in
    train (false where valid is chosen by sentences alone). `sentence_disjoint`: no sentence is in two of the parts.
    """

    fold: int
    speaker_disjoint: bool
    valid_speaker_disjoint: bool
    train: list[str]
    valid: list[str]
    test: list[str]
    sentence_disjoint: bool = False


@dataclass
class Folds:
    """All folds of a protocol, and how many utterances it excludes, by reason.

    `skipped` and `absent` are what a partial copy of the corpus costs (see `seq.data.fold_files.FoldsSummary`).
    """

    folds: list[Fold]
    excluded: dict[str, int] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    absent: dict[str, list[str]] = field(default_factory=dict)
    # Utterance id to speaker and to sentence, for the checks.
    speakers: dict[str, str] = field(default_factory=dict)
    sentences: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class FoldItem:
    """What a split needs to know of an utterance; `emotion` is its class under the protocol."""

    id: str
    speaker: str
    sentence: str | None
    emotion: str


def empty_parts(fold: Fold) -> list[str]:
    """Those of train, valid and test that nobody is in."""
    return [part for part in PARTS if not getattr(fold, part)]


def check_fold(
    fold: Fold, speakers: dict[str, str] | None = None, sentences: dict[str, str | None] | None = None
) -> None:
    """Check that the parts of a fold are not empty and share no utterance and, as it claims, no speaker or sentence.

    Args:
        speakers: utterance id to speaker; without it, only utterances are compared.
        sentences: utterance id to sentence, or None where it has none; without it, sentences are not compared.

    Raises:
        InputError: naming the fold and what it shares.
    """
    if empty := empty_parts(fold):
        raise InputError(f"fold {fold.fold} has no utterance in {empty[0]}: correct the protocol in the conf")
    for first, second, speakers_too in (
        ("train", "test", fold.speaker_disjoint),
        ("valid", "test", fold.speaker_disjoint),
        ("train", "valid", fold.valid_speaker_disjoint),
    ):
        ids_first, ids_second = set(getattr(fold, first)), set(getattr(fold, second))
        _fail_if_shared("utterance", ids_first & ids_second, fold, first, second)
        if speakers is not None and speakers_too:
            unknown = next((id_ for id_ in ids_first | ids_second if id_ not in speakers), None)
            if unknown is not None:
                raise InputError(
                    f"fold {fold.fold} has utterance {unknown}, which the manifest lacks: run stage 3 again"
                )
            shared = {speakers[id_] for id_ in ids_first} & {speakers[id_] for id_ in ids_second}
            _fail_if_shared("speaker", shared, fold, first, second)
        if sentences is not None and fold.sentence_disjoint:
            said = [{sentences[id_] for id_ in ids} - {None} for ids in (ids_first, ids_second)]
            _fail_if_shared("sentence", {str(sentence) for sentence in said[0] & said[1]}, fold, first, second)


def check_copies(fold: Fold, copies: Sequence[list[str]]) -> None:
    """Check that nothing is tested that was trained on, or chosen by, under another id.

    Args:
        copies: groups of utterance ids that are one recording (`seq.corpora.copies`).

    Raises:
        InputError: naming two, and the number of such groups.
    """
    part_of = {id_: part for part in PARTS for id_ in getattr(fold, part)}
    heard = [
        (tested, other)
        for group in copies
        if (tested := next((id_ for id_ in group if part_of.get(id_) == "test"), None)) is not None
        and (other := next((id_ for id_ in group if part_of.get(id_) in ("train", "valid")), None)) is not None
    ]
    if heard:
        tested, other = heard[0]
        raise InputError(
            f"fold {fold.fold}: {tested} in test is the same recording as {other} in {part_of[other]} ({len(heard)} "
            "such): remove all but one of each from the corpus, and run stage 0 again"
        )


def _fail_if_shared(what: str, shared: set[str], fold: Fold, first: str, second: str) -> None:
    if shared:
        raise InputError(
            f"fold {fold.fold}: {what} {min(shared)} is in both {first} and {second} ({len(shared)} such): "
            "correct the protocol in the conf and run stage 3 again"
        )


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
    if (protocol.random is None) == (not protocol.folds):
        raise InputError(f"protocol {name} needs either folds or random, and not both: correct the conf")
    check_num_folds(name, protocol.random.num_folds if protocol.random else len(protocol.folds))
    if protocol.random is not None and protocol.random.num_folds < 3:
        raise InputError(f"protocol {name}: random.num_folds is {protocol.random.num_folds}; it takes 3 or more")
    if protocol.random is not None and protocol.speaker_disjoint != (protocol.random.by == "speaker"):
        truth = "deals whole speakers" if protocol.random.by == "speaker" else "draws folds at random, mixing speakers"
        wanted = str(not protocol.speaker_disjoint).lower()
        raise InputError(f"protocol {name} {truth}: set speaker_disjoint to {wanted}")


def check_names(items: list[FoldItem], protocol: ProtocolConf, partial: bool = False) -> dict[str, list[str]]:
    """Check that the corpus has every speaker and sentence that the folds name.

    Args:
        partial: the corpus is a partial copy, which may lack some.

    Returns:
        {"speakers": [...], "sentences": [...]} that it lacks; a key without any is left out.

    Raises:
        InputError: it lacks one and is not partial.
    """
    absent: dict[str, list[str]] = {}
    known = {
        "speaker": {item.speaker for item in items},
        "sentence": {item.sentence for item in items if item.sentence is not None},
    }
    for number, fold in enumerate(protocol.folds, start=1):
        for part, selection in (("test", fold.test), ("valid", fold.valid)):
            for what, names in (("speaker", selection.speakers), ("sentence", selection.sentences)):
                unknown = [name for name in names if name not in known[what]]
                if unknown and partial:
                    absent[NAMED[what]] = sorted({*absent.get(NAMED[what], []), *unknown})
                elif unknown:
                    some = ", ".join(sorted(known[what])[:8])
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

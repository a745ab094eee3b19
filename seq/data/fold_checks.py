"""What a fold is, and the checks that keep its parts apart; run when folds are made and whenever one is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seq.conf import ProtocolConf
from seq.errors import InputError

PARTS = ("train", "valid", "test")


@dataclass
class Fold:
    """The utterance ids of one fold, in the order of the manifest; folds count from 1.

    `speaker_disjoint`: no test speaker is in train or valid. `valid_speaker_disjoint`: no valid speaker is in
    train (false where valid is chosen by sentences alone). `sentence_disjoint`: no sentence is in two of the parts.
    `untested`: nobody is in test, as it should be (`seq.unified.folds`).
    """

    fold: int
    speaker_disjoint: bool
    valid_speaker_disjoint: bool
    train: list[str]
    valid: list[str]
    test: list[str]
    sentence_disjoint: bool = False
    untested: bool = False


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

    def left_out(self, fold: Fold) -> dict[str, int]:
        """How many utterances are in no part of a fold, with the reason as the key; empty where all are in one."""
        count = len(self.speakers) - sum(len(getattr(fold, part)) for part in PARTS)
        near = "share a speaker or a sentence with valid or test, and are left out"
        return {near if fold.sentence_disjoint else "in no part of the fold": count} if count else {}

    def describe(self, fold: Fold) -> str:
        """Utterances and speakers of every part, how many speakers of test are in train, and who is left out."""
        speakers = {part: {self.speakers[id_] for id_ in getattr(fold, part)} for part in PARTS}
        shared = len(speakers["test"] & speakers["train"])
        sizes = [f"{part} {len(getattr(fold, part))} ({len(speakers[part])} speakers)" for part in PARTS]
        said = [f"{shared} speakers of test are in train"] if shared else []
        return "; ".join([", ".join(sizes), *said, *(f"{n} {why}" for why, n in self.left_out(fold).items())])


@dataclass(frozen=True, slots=True)
class FoldItem:
    """What a split needs to know of an utterance; `emotion` is its class under the protocol."""

    id: str
    speaker: str
    sentence: str | None
    emotion: str
    # What the corpus's own table says of it.
    split: str | None = None
    fold: str | None = None


def make_fold(
    number: int, protocol: ProtocolConf, parts: Mapping[str, Sequence[FoldItem]], valid_by_speakers: bool = True
) -> Fold:
    """A fold of these parts.

    Args:
        valid_by_speakers: false where valid is chosen by sentences alone, from among the speakers of train.
    """
    apart = not {item.speaker for item in parts["valid"]} & {item.speaker for item in parts["train"]}
    valid_disjoint = protocol.speaker_disjoint and valid_by_speakers and apart
    train, valid, test = ([item.id for item in parts[part]] for part in PARTS)
    return Fold(number, protocol.speaker_disjoint, valid_disjoint, train, valid, test, protocol.sentence_disjoint)


def empty_parts(fold: Fold) -> list[str]:
    """Those of train, valid and test that nobody is in, and somebody should be."""
    return [part for part in PARTS if not getattr(fold, part) and not (part == "test" and fold.untested)]


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
    if speakers is not None:
        ids = (id_ for part in PARTS for id_ in getattr(fold, part))
        if (unknown := next((id_ for id_ in ids if id_ not in speakers), None)) is not None:
            raise InputError(f"fold {fold.fold} has utterance {unknown}, which the manifest lacks: run stage 3 again")
    for first, second, speakers_too in (
        ("train", "test", fold.speaker_disjoint),
        ("valid", "test", fold.speaker_disjoint),
        ("train", "valid", fold.valid_speaker_disjoint),
    ):
        ids_first, ids_second = getattr(fold, first), getattr(fold, second)
        _fail_if_shared("utterance", _common(ids_first, ids_second), fold, first, second)
        if speakers is not None and speakers_too:
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
    several = {id_ for group in copies for id_ in group}
    part_of = {id_: part for part in PARTS for id_ in getattr(fold, part) if id_ in several}
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


def _common(first: Sequence[str], second: Sequence[str]) -> set[str]:
    """What is in both; a part may have a million ids, and only the smaller one becomes a set."""
    few, many = sorted((first, second), key=len)
    return set(few).intersection(many)


def _fail_if_shared(what: str, shared: set[str], fold: Fold, first: str, second: str) -> None:
    if shared:
        or_say = ", or set its speaker_disjoint to false, which every table then says," if what == "speaker" else ""
        raise InputError(
            f"fold {fold.fold}: {what} {min(shared)} is in both {first} and {second} ({len(shared)} such): "
            f"correct the protocol in the conf{or_say} and run stage 3 again"
        )

"""A protocol, as a conf has it: the classes of an evaluation, and who trains, validates and tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from seq.utils.typed_values import NonNegativeInt, PositiveInt


@dataclass
class RawName:
    """One raw emotion label of a corpus and its canonical category (`seq.labels.EMOTIONS`)."""

    raw: str
    name: str


@dataclass
class Selection:
    """Utterances whose speaker, sentence and id are listed; an empty list selects all, empty ones alone nothing."""

    speakers: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    utterances: list[str] = field(default_factory=list)


@dataclass
class FoldConf:
    """One fold: test is taken first, then valid; what is left is train, or, where train selects, left out."""

    test: Selection
    valid: Selection
    train: Selection | None = None


@dataclass
class RandomFolds:
    """Folds drawn at random; valid is the next fold.

    By utterance they are stratified by speaker and emotion: speaker-dependent, and labelled so. By speaker they are
    speaker-disjoint, for corpora whose speakers the conf does not know.
    """

    num_folds: PositiveInt
    seed: NonNegativeInt = 0
    by: Literal["utterance", "speaker"] = "utterance"


@dataclass
class ProtocolConf:
    """Classes, merges and split of one evaluation. It alone defines the test set."""

    name: str
    description: str
    emotions: list[str]
    # Empty: all languages of the corpus; otherwise those of other languages are excluded.
    languages: list[str] = field(default_factory=list)
    merges: list[RawName] = field(default_factory=list)
    speaker_disjoint: bool = True
    # No sentence is in two of train, valid and test: what would be in train is left out of the fold.
    sentence_disjoint: bool = False
    # One of these says who is where.
    folds: list[FoldConf] = field(default_factory=list)
    random: RandomFolds | None = None
    # A column of the corpus's own table: `split` says train, valid or test; of `fold`, each value is tested once, and
    # valid is the next one.
    column: Literal["split", "fold"] | None = None

    def merged(self, emotion: str) -> str:
        """The class that a category is merged into; itself where it is not."""
        return {item.raw: item.name for item in self.merges}.get(emotion, emotion)

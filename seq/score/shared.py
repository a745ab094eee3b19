"""What a part of a fold shares with train: tables and model cards say it of valid and test, speakers and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seq.score.predictions import Reference


def overlap(part: Iterable[str], train: Iterable[str]) -> tuple[int, int]:
    """How many distinct names of a part also occur in train, and how many there are."""
    names = set(part)
    return len(names & set(train)), len(names)


def share(seen: int, total: int) -> float | None:
    """What `overlap` counted, as a fraction; None where there are no names."""
    return seen / total if total else None


def overlaps(
    folds: Sequence[Mapping[str, Sequence[str]]], part: str, references: Mapping[str, Reference]
) -> dict[str, float | None]:
    """The shares of a part's sentences and speakers that are in train of the same fold, too, as scores.json has them.

    Args:
        folds: of each, the ids of every part.
    """

    def names(ids: Sequence[str], what: str) -> list[str]:
        found = (getattr(references[id_], what) for id_ in ids)
        return [name for name in found if name is not None]

    shares = {}
    for key, what in (("text_overlap", "sentence"), ("speaker_overlap", "speaker")):
        counts = [overlap(names(parts[part], what), names(parts["train"], what)) for parts in folds]
        shares[key] = share(sum(seen for seen, _ in counts), sum(total for _, total in counts))
    return shares


def describe_shared(part: str, speakers: float | None, sentences: float | None) -> str:
    """`test shares with train none of its speakers and 25.00 % of its sentences`; None: nobody knows."""
    return f"{part} shares with train {_some(speakers)} of its speakers and {_some(sentences)} of its sentences"


def _some(fraction: float | None) -> str:
    if fraction is None:
        return "an unknown number"
    return "none" if fraction == 0 else "all" if fraction == 1 else f"{100 * fraction:.2f} %"

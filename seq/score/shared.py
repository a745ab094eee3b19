"""What a part of a fold shares with train: tables and model cards say it of valid and test, speakers and sentences."""

from __future__ import annotations

from collections.abc import Iterable


def overlap(part: Iterable[str], train: Iterable[str]) -> tuple[int, int]:
    """How many distinct names of a part also occur in train, and how many there are."""
    names = set(part)
    return len(names & set(train)), len(names)


def share(seen: int, total: int) -> float | None:
    """What `overlap` counted, as a fraction; None where there are no names."""
    return seen / total if total else None


def describe_shared(part: str, speakers: float | None, sentences: float | None) -> str:
    """`test shares with train none of its speakers and 25.00 % of its sentences`; None: nobody knows."""
    return f"{part} shares with train {_some(speakers)} of its speakers and {_some(sentences)} of its sentences"


def _some(fraction: float | None) -> str:
    if fraction is None:
        return "an unknown number"
    return "none" if fraction == 0 else "all" if fraction == 1 else f"{100 * fraction:.2f} %"

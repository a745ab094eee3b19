"""Several annotators: the majority of their labels, and how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from seq.errors import InputError


class Vote(NamedTuple):
    """What one annotator said of one utterance; empty strings where they said nothing."""

    annotator: str
    utterance: str
    emotion: str
    intensity: str


def majority(labels: Sequence[str]) -> str | None:
    """The label that more annotators chose than any other; None where the first place is shared, or without labels."""
    ranked = Counter(labels).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def krippendorff_alpha(ratings: Sequence[tuple[str, str, str | float]]) -> float | None:
    """Krippendorff's alpha of (annotator, item, value) by NLTK: nominal for strings, interval for numbers.

    Items with a single rating do not count. None where no two annotators rated the same item.

    Raises:
        ImportError: NLTK is not installed.
    """
    from nltk.metrics import binary_distance, interval_distance
    from nltk.metrics.agreement import AnnotationTask

    times = Counter(item for _, item, _ in ratings)
    shared = [rating for rating in ratings if times[rating[1]] > 1]
    if not shared:
        return None
    if len({value for *_, value in shared}) == 1:
        # No disagreement was possible: NLTK would divide by zero.
        return 1.0
    is_nominal = isinstance(shared[0][2], str)
    return float(AnnotationTask(shared, binary_distance if is_nominal else interval_distance).alpha())


def describe_agreement(votes: Sequence[Vote]) -> str:
    """One line: Krippendorff's alpha for emotion (nominal) and intensity (interval)."""
    emotions = [(vote.annotator, vote.utterance, vote.emotion) for vote in votes if vote.emotion]
    intensities = []
    for vote in votes:
        if vote.intensity:
            try:
                intensities.append((vote.annotator, vote.utterance, float(vote.intensity)))
            except ValueError as error:
                raise InputError(
                    f"utterance {vote.utterance} has the intensity {vote.intensity!r}: write a number"
                ) from error
    try:
        alphas = (krippendorff_alpha(emotions), krippendorff_alpha(intensities))
    except ImportError:
        return "Krippendorff's alpha needs NLTK: pip install nltk"
    texts = ["not defined" if alpha is None else f"{alpha:.3f}" for alpha in alphas]
    annotators = len({vote.annotator for vote in votes})
    return f"{annotators} annotators, Krippendorff's alpha: emotion {texts[0]}, intensity {texts[1]}"

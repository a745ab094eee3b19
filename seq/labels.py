"""The unified metric: one list of emotion categories, one scale of intensity, and how a corpus maps onto them.

Intensity is a number in [0, 1] with the ordinal anchors none 0, weak 1/3, moderate 2/3, strong 1. The model
predicts three cumulative probabilities, P(at least weak), P(at least moderate), P(strong); a value between
anchors has interpolated (soft) targets, so corpora with two levels, three levels or ratings train alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seq.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from seq.conf import CorpusConf

# The two tasks that the metric unifies; neutral is 0 on the scale.
EMOTION, INTENSITY, NEUTRAL = "emotion", "intensity", "neutral"

# Under what name a manifest keeps the share of annotators who chose each category.
VOTES = "emotion_votes"

EMOTIONS = (
    "neutral",
    "calm",
    "happy",
    "excited",
    "sad",
    "angry",
    "fearful",
    "disgusted",
    "surprised",
    "bored",
    "frustrated",
    "contempt",
    "other",
)
INTENSITY_ANCHORS = (0.0, 1 / 3, 2 / 3, 1.0)
INTENSITY_NAMES = ("none", "weak", "moderate", "strong")
NUM_THRESHOLDS = len(INTENSITY_ANCHORS) - 1


def check_labels(conf: CorpusConf) -> None:
    """Check the label map of a corpus.

    Raises:
        InputError: a name is not canonical, a raw label occurs twice, or an intensity lies outside [0, 1].
    """
    for name in [item.name for item in conf.emotions] + [item.name for item in conf.emotion_counts]:
        if name not in EMOTIONS:
            raise InputError(f"conf of {conf.name}: {name!r} is not an emotion; choose from {', '.join(EMOTIONS)}")
    for section, items in (("emotions", conf.emotions), ("intensities", conf.intensities)):
        raws = [item.raw for item in items]
        twice = sorted({raw for raw in raws if raws.count(raw) > 1})
        if twice:
            raise InputError(f"conf of {conf.name}: corpus.{section} maps {twice[0]!r} twice; keep one line")
    for name, scale in conf.scales.items():
        if not scale.low < scale.high:
            raise InputError(f"conf of {conf.name}: scales.{name} is {scale.low} to {scale.high}; low must be lower")
    for item in conf.intensities:
        if not 0.0 <= item.value <= 1.0:
            raise InputError(f"conf of {conf.name}: intensity {item.raw!r} is {item.value}; it must lie in [0, 1]")


def map_labels(utterance_id: str, raw: Mapping[str, str | None], conf: CorpusConf) -> dict[str, str | float]:
    """The labels of an utterance by task, from the corpus's own: the canonical emotion, and numbers in [0, 1].

    Neutral has intensity 0 in a corpus that rates intensity, whatever its raw code; a corpus that does not
    (neither `intensities` nor `scales.intensity` in the conf) has no intensity labels, neutral included.

    Args:
        raw: labels of the corpus by task; several ratings of one utterance are written "2;3;3".

    Raises:
        InputError: a raw label that the conf does not map, or a rating outside its scale.
    """
    labels: dict[str, str | float] = {}
    given = {task: label for task, label in raw.items() if label is not None}
    if (emotion := given.pop(EMOTION, None)) is not None:
        labels[EMOTION] = map_emotion(utterance_id, emotion, conf)
    if not rates_intensity(conf):
        given.pop(INTENSITY, None)
    elif labels.get(EMOTION) == NEUTRAL:
        if (rated := given.pop(INTENSITY, None)) is not None:
            _check_neutral(utterance_id, rated, conf)
        labels[INTENSITY] = 0.0
    return labels | {task: _map_rating(utterance_id, task, label, conf) for task, label in given.items()}


def map_emotion(utterance_id: str, raw: str, conf: CorpusConf) -> str:
    """The category that a corpus's own label stands for. Raises InputError where the conf does not map it."""
    if raw in conf.categories:
        return conf.categories[raw]
    raise InputError(
        f"utterance {utterance_id} has the emotion {raw!r}, which corpus.emotions of the conf of {conf.name} does not "
        f'map: add a line {{raw: "{raw}", name: ...}}'
    )


def map_votes(votes: Mapping[str, float], conf: CorpusConf) -> dict[str, float]:
    """The share of annotators who chose each category; empty where there were no several.

    A word that the conf does not map counts for nobody: the majority's must have a category, a single annotator's not.
    """
    names = conf.categories
    known = {raw: number for raw, number in votes.items() if raw in names}
    shares: dict[str, float] = {}
    for raw, number in known.items():
        shares[names[raw]] = shares.get(names[raw], 0.0) + number / sum(known.values())
    return shares


def rates_intensity(conf: CorpusConf) -> bool:
    """Whether a corpus has intensity labels, by codes or by numbers."""
    return bool(conf.intensities) or INTENSITY in conf.scales


def _map_rating(utterance_id: str, task: str, raw: str, conf: CorpusConf) -> float:
    """The place in [0, 1] of a code, or of the mean of one or several ratings ("2;3;3") on the scale of the corpus."""
    if task == INTENSITY:
        for item in conf.intensities:
            if item.raw == raw:
                return item.value
    scale, ratings = conf.scales.get(task), _numbers(raw)
    if scale is None or not ratings:
        codes = f', or a line {{raw: "{raw}", value: ...}} under corpus.intensities' if task == INTENSITY else ""
        raise InputError(
            f"utterance {utterance_id} has the {task} {raw!r}, which the conf of {conf.name} does not map: write a "
            f"number and its scale, corpus.scales.{task}{codes}"
        )
    _check_scale(utterance_id, task, ratings, conf)
    return (sum(ratings) / len(ratings) - scale.low) / (scale.high - scale.low)


def _numbers(raw: str) -> list[float]:
    """One or several ratings ("2;3;3"); none where one is a word."""
    try:
        return [float(rating) for rating in raw.split(";")]
    except ValueError:
        return []


def _check_neutral(utterance_id: str, raw: str, conf: CorpusConf) -> None:
    """What neutral overrides may be a code that nobody maps, or a 0, wherever the scale begins; no other mistake."""
    ratings = _numbers(raw)
    if ratings:
        _check_scale(utterance_id, INTENSITY, [rating for rating in ratings if rating != 0.0], conf)
    elif not conf.intensities:
        _map_rating(utterance_id, INTENSITY, raw, conf)


def _check_scale(utterance_id: str, task: str, ratings: list[float], conf: CorpusConf) -> None:
    scale = conf.scales.get(task)
    if scale is None:
        return
    for rating in ratings:
        # NaN is not between the two, either.
        if not scale.low <= rating <= scale.high:
            raise InputError(
                f"utterance {utterance_id} has the {task} {rating:g}, outside the scale from {scale.low:g} to "
                f"{scale.high:g} of {conf.name}: correct the rating, or corpus.scales.{task} in the conf"
            )


def corpus_anchors(conf: CorpusConf) -> tuple[float, ...]:
    """The intensity levels that the corpus can have, ascending; 0 among them if it has neutral. Empty: unrated.

    A rating that is a number lies anywhere on the scale: such a corpus has all anchors.
    """
    if not rates_intensity(conf):
        return ()
    levels = {float(item.value) for item in conf.intensities}
    if INTENSITY in conf.scales:
        levels |= set(INTENSITY_ANCHORS)
    if any(item.name == NEUTRAL for item in conf.emotions):
        levels.add(0.0)
    return tuple(sorted(levels))


def intensity_targets(value: float) -> np.ndarray:
    """Cumulative soft targets (3,), float32: P(>= 1/3), P(>= 2/3), P(>= 1) of an intensity in [0, 1]."""
    import numpy as np

    thresholds = np.arange(NUM_THRESHOLDS)
    return np.clip(value * NUM_THRESHOLDS - thresholds, 0.0, 1.0).astype(np.float32)


def intensity_value(probs: np.ndarray) -> np.ndarray:
    """The intensity (...) that three cumulative probabilities (..., 3) stand for: their mean, in [0, 1]."""
    import numpy as np

    return np.asarray(probs).sum(axis=-1) / NUM_THRESHOLDS


def nearest_level(value: float, anchors: Sequence[float]) -> float:
    """The anchor nearest to `value`; the lower one of two equally near."""
    return min(anchors, key=lambda anchor: (abs(anchor - value), anchor))

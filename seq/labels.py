"""The unified metric: one list of emotion categories, one scale of intensity, and how a corpus maps onto them.

Intensity is a number in [0, 1] with the ordinal anchors none 0, weak 1/3, moderate 2/3, strong 1. The model
predicts three cumulative probabilities, P(at least weak), P(at least moderate), P(strong); a value between
anchors has interpolated (soft) targets, so corpora with two levels, three levels or ratings train alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seq.conf import CorpusConf
from seq.corpora.base import Utterance
from seq.errors import InputError

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
    for item in [*conf.emotions, *conf.emotion_counts]:
        if item.name not in EMOTIONS:
            raise InputError(f"conf of {conf.name}: {item.name!r} is not an emotion; choose from {', '.join(EMOTIONS)}")
    for section, items in (("emotions", conf.emotions), ("intensities", conf.intensities)):
        raws = [item.raw for item in items]
        twice = sorted({raw for raw in raws if raws.count(raw) > 1})
        if twice:
            raise InputError(f"conf of {conf.name}: corpus.{section} maps {twice[0]!r} twice; keep one line")
    scale = conf.intensity_scale
    if scale is not None and not scale.low < scale.high:
        raise InputError(f"conf of {conf.name}: intensity_scale is {scale.low} to {scale.high}; low must be lower")
    for item in conf.intensities:
        if not 0.0 <= item.value <= 1.0:
            raise InputError(f"conf of {conf.name}: intensity {item.raw!r} is {item.value}; it must lie in [0, 1]")


def map_labels(utterance: Utterance, conf: CorpusConf) -> tuple[str | None, float | None]:
    """The canonical emotion and the intensity in [0, 1] of an utterance; None where unlabelled.

    Neutral has intensity 0 in a corpus that rates intensity, whatever its raw code; a corpus that does not
    (neither `intensities` nor `intensity_scale` in the conf) has no intensity labels, neutral included.

    Raises:
        InputError: a raw label that the conf does not map, or a rating outside its scale.
    """
    emotion: str | None = None
    if utterance.raw_emotion is not None:
        names = {item.raw: item.name for item in conf.emotions}
        if utterance.raw_emotion not in names:
            raise InputError(
                f"utterance {utterance.id} has the emotion {utterance.raw_emotion!r}, which corpus.emotions of the "
                f'conf of {conf.name} does not map: add a line {{raw: "{utterance.raw_emotion}", name: ...}}'
            )
        emotion = names[utterance.raw_emotion]
    if not _rates_intensity(conf):
        return emotion, None
    if emotion == "neutral":
        return emotion, 0.0
    if utterance.raw_intensity is None:
        return emotion, None
    values = {item.raw: item.value for item in conf.intensities}
    if utterance.raw_intensity in values:
        return emotion, values[utterance.raw_intensity]
    return emotion, _rated_intensity(utterance, conf)


def _rates_intensity(conf: CorpusConf) -> bool:
    return bool(conf.intensities) or conf.intensity_scale is not None


def _rated_intensity(utterance: Utterance, conf: CorpusConf) -> float:
    """The intensity of an utterance that has a rating on the scale of the corpus, or the mean of several ("2;3;3")."""
    scale, raw = conf.intensity_scale, utterance.raw_intensity or ""
    try:
        ratings = [float(rating) for rating in raw.split(";")] if scale else []
    except ValueError:
        ratings = []
    if scale is None or not ratings:
        raise InputError(
            f"utterance {utterance.id} has the intensity {raw!r}, which corpus.intensities of the conf of {conf.name} "
            f'does not map: add a line {{raw: "{raw}", value: ...}}'
        )
    for rating in ratings:
        # NaN is not between the two, either.
        if not scale.low <= rating <= scale.high:
            raise InputError(
                f"utterance {utterance.id} has the intensity {rating:g}, outside the scale from {scale.low:g} to "
                f"{scale.high:g} of {conf.name}: correct the rating, or corpus.intensity_scale in the conf"
            )
    return (sum(ratings) / len(ratings) - scale.low) / (scale.high - scale.low)


def corpus_anchors(conf: CorpusConf) -> tuple[float, ...]:
    """The intensity levels that the corpus can have, ascending; 0 among them if it has neutral. Empty: unrated.

    A rating that is a number lies anywhere on the scale: such a corpus has all anchors.
    """
    if not _rates_intensity(conf):
        return ()
    levels = {float(item.value) for item in conf.intensities}
    if conf.intensity_scale is not None:
        levels |= set(INTENSITY_ANCHORS)
    if any(item.name == "neutral" for item in conf.emotions):
        levels.add(0.0)
    return tuple(sorted(levels))


def intensity_targets(value: float) -> np.ndarray:
    """Cumulative soft targets (3,), float32: P(>= 1/3), P(>= 2/3), P(>= 1) of an intensity in [0, 1]."""
    thresholds = np.arange(NUM_THRESHOLDS)
    return np.clip(value * NUM_THRESHOLDS - thresholds, 0.0, 1.0).astype(np.float32)


def intensity_value(probs: np.ndarray) -> np.ndarray:
    """The intensity (...) that three cumulative probabilities (..., 3) stand for: their mean, in [0, 1]."""
    return np.asarray(probs).sum(axis=-1) / NUM_THRESHOLDS


def nearest_level(value: float, anchors: Sequence[float]) -> float:
    """The anchor nearest to `value`; the lower one of two equally near."""
    return min(anchors, key=lambda anchor: (abs(anchor - value), anchor))

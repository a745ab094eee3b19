"""The unified metric: label maps, the intensity scale and its ordinal code."""

from __future__ import annotations

import numpy as np
import pytest

from seq.conf import CorpusConf, NameCount, RawName, RawValue, Scale
from seq.errors import InputError
from seq.labels import (
    INTENSITY_ANCHORS,
    check_labels,
    corpus_anchors,
    intensity_targets,
    intensity_value,
    map_labels,
    nearest_level,
)

RATED = CorpusConf(
    "rated",
    "ravdess",
    emotions=[RawName("01", "neutral"), RawName("05", "angry")],
    intensities=[RawValue("01", 2 / 3), RawValue("02", 1.0)],
)
UNRATED = CorpusConf("unrated", "casia", emotions=RATED.emotions)


def mapped(emotion: str | None, intensity: str | None, conf: CorpusConf) -> tuple[str | None, float | None]:
    labels = map_labels("u", {"emotion": emotion, "intensity": intensity}, conf)
    assert labels.keys() <= {"emotion", "intensity"}
    return labels.get("emotion"), labels.get("intensity")


@pytest.mark.parametrize(
    ("conf", "emotion", "intensity", "expected"),
    [
        (RATED, "05", "02", ("angry", 1.0)),
        (RATED, "05", "01", ("angry", 2 / 3)),
        (RATED, "01", "01", ("neutral", 0.0)),
        (RATED, "01", None, ("neutral", 0.0)),
        (RATED, "05", None, ("angry", None)),
        (RATED, None, "02", (None, 1.0)),
        (UNRATED, "05", "02", ("angry", None)),
        (UNRATED, "01", None, ("neutral", None)),
    ],
)
def test_map_labels(conf: CorpusConf, emotion: str, intensity: str, expected: tuple[str, float]) -> None:
    assert mapped(emotion, intensity, conf) == expected


def test_unknown_raw_labels_are_named() -> None:
    with pytest.raises(InputError, match="'5'"):
        mapped("5", "01", RATED)
    with pytest.raises(InputError, match="'03'"):
        mapped("05", "03", RATED)


def test_check_labels_finds_bad_maps() -> None:
    with pytest.raises(InputError, match="'rage' is not an emotion"):
        check_labels(CorpusConf("c", "r", emotions=[RawName("01", "rage")]))
    with pytest.raises(InputError, match="'joy' is not an emotion"):
        check_labels(CorpusConf("c", "r", emotion_counts=[NameCount("joy", 3)]))
    with pytest.raises(InputError, match="'01' twice"):
        check_labels(CorpusConf("c", "r", emotions=[RawName("01", "sad"), RawName("01", "angry")]))
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        check_labels(CorpusConf("c", "r", intensities=[RawValue("9", 9.0)]))


def test_anchors_of_a_corpus() -> None:
    assert corpus_anchors(RATED) == (0.0, 2 / 3, 1.0)
    assert corpus_anchors(UNRATED) == ()
    no_neutral = CorpusConf("c", "r", emotions=[RawName("05", "angry")], intensities=RATED.intensities)
    assert corpus_anchors(no_neutral) == (2 / 3, 1.0)


def test_targets_are_cumulative_interpolated_and_invertible() -> None:
    np.testing.assert_allclose(
        [intensity_targets(value) for value in (0.0, 1 / 3, 0.5, 2 / 3, 0.9, 1.0)],
        [[0, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 1, 0], [1, 1, 0.7], [1, 1, 1]],
        atol=1e-6,
    )
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(intensity_value(np.stack([intensity_targets(v) for v in values])), values, atol=1e-6)


def test_nearest_level() -> None:
    assert nearest_level(0.71, (0.0, 2 / 3, 1.0)) == 2 / 3
    assert nearest_level(0.2, (2 / 3, 1.0)) == 2 / 3
    assert nearest_level(0.5, (0.0, 1.0)) == 0.0
    assert [nearest_level(anchor, INTENSITY_ANCHORS) for anchor in INTENSITY_ANCHORS] == list(INTENSITY_ANCHORS)


def test_numeric_scales() -> None:
    conf = CorpusConf("scaled", "r", emotions=RATED.emotions, scales={"intensity": Scale(1, 9)})
    values = [mapped("05", raw, conf)[1] for raw in ("1", "9", "3.0", "3;5", None)]
    assert values == [0.0, 1.0, 0.25, 0.375, None]
    assert mapped("01", "9", conf) == ("neutral", 0.0)
    assert corpus_anchors(conf) == INTENSITY_ANCHORS
    for raw, message in (
        ("9.5", r"9\.5, outside the scale from 1 to 9"),
        ("0;9", "0, outside"),
        ("nan", "nan, outside"),
    ):
        with pytest.raises(InputError, match=message):
            mapped("05", raw, conf)
    with pytest.raises(InputError, match="'high', which"):
        mapped("05", "high", conf)
    with pytest.raises(InputError, match="low must be lower"):
        check_labels(CorpusConf("c", "r", scales={"intensity": Scale(3, 3)}))


def test_neutral_overrides_a_code_that_the_conf_does_not_know() -> None:
    emotions = [RawName("n", "neutral"), RawName("a", "angry")]
    coded = CorpusConf("c", "c", emotions=emotions, intensities=[RawValue("LO", 0.5)])
    rated = CorpusConf("c", "c", emotions=emotions, scales={"intensity": Scale(1, 3)})
    for conf, raw in ((coded, "XX"), (rated, "0")):
        assert map_labels("u", {"emotion": "n", "intensity": raw}, conf) == {"emotion": "neutral", "intensity": 0.0}
    with pytest.raises(InputError, match="u has the intensity 'XX', which the conf of c does not map"):
        map_labels("u", {"emotion": "n", "intensity": "XX"}, rated)
        with pytest.raises(InputError):
            map_labels("u", {"emotion": "a", "intensity": raw}, conf)

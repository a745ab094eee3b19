"""Why an answer should not be relied on: sentences, each for itself; one is enough to mark the answer as uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, TypedDict

from seq.audio.sound import Band, Sound
from seq.errors import InputError
from seq.utils.typed_values import Bounds, NonNegativeInt, Share

# Whoever hears less than this cannot judge: the answer is given, and marked uncertain.
MIN_CERTAIN_SECONDS: Final = 0.3
UNLIKELY: Final = "its probability is below the threshold"
SHORT: Final = f"less than {MIN_CERTAIN_SECONDS:g} s of sound"
TONAL: Final = "steady tones, as in music"
NO_VOICE: Final = "no voice in it, as in noise"
STRANGE_BAND: Final = {
    "narrow": "nothing is heard above 4 kHz, and training has never heard that",
    "wide": "sound above 4 kHz, and training has never heard that",
}


def doubts_of(sound: Sound, duration: float, heard_bands: Sequence[str] | None) -> list[str]:
    """What is doubtful of a sound of so many seconds, whatever the answer is.

    Args:
        heard_bands: those that training has heard; None: not known.
    """
    found = []
    if duration < MIN_CERTAIN_SECONDS:
        # Of less, nobody can tell tones from a voice.
        found.append(SHORT)
    elif sound.is_tonal:
        found.append(TONAL)
    elif not sound.has_voice:
        found.append(NO_VOICE)
    if heard_bands is not None and sound.band is not None and sound.band not in heard_bands:
        found.append(STRANGE_BAND[sound.band])
    return found


def merge_sounds(sounds: Sequence[Sound], parts: Sequence[tuple[float, float]]) -> Sound:
    """Of a time line: wide where anything is, and what most of its time is."""
    lengths = [end - start for start, end in parts]
    half = sum(lengths) / 2

    def mostly(name: str) -> bool:
        return sum(length for sound, length in zip(sounds, lengths, strict=True) if getattr(sound, name)) > half

    bands = {sound.band for sound in sounds}
    band: Band | None = "wide" if "wide" in bands else "narrow" if "narrow" in bands else None
    return Sound(band, mostly("is_tonal"), mostly("has_voice"))


class RiskPoint(TypedDict):
    """Of answers on valid: the share whose confidence reaches a threshold, and the share of wrong ones among them."""

    threshold: Share
    coverage: Share
    risk: Share


class FittedOn(TypedDict):
    """What the threshold was fitted on (`seq.score.doubt`), and what others would have done there."""

    # The names of the conditions that valid was decoded under; none: clean speech alone.
    conditions: list[str]
    num_answers: NonNegativeInt
    # By ascending coverage.
    curve: list[RiskPoint]


class Unseen(TypedDict):
    """What a head that spells is worth on sentences never heard in training (`seq.export.unseen`)."""

    # Share of wrong symbols; None: nobody knows.
    errors: Annotated[float, Bounds(0, 1000)] | None
    source: str


class Heard(TypedDict):
    """What training has heard (`seq.export.heard`)."""

    # Of "narrow" and "wide" (`seq.audio.sound`).
    bands: list[str]
    # Places and lines other than those of the corpus, for people.
    conditions: list[str]


def threshold_for(risk: float, fitted_on: FittedOn | None) -> float:
    """The threshold that gives most answers of which at most this share is wrong, on valid.

    Raises:
        InputError: the model does not say, or no threshold does that.
    """
    if not fitted_on or not fitted_on["curve"]:
        raise InputError(f"--risk {risk:g}: the model does not say what thresholds do: export it again from its run")
    point = point_at(risk, fitted_on["curve"])
    if point is None:
        least = min(fitted_on["curve"], key=lambda other: other["risk"])
        raise InputError(
            f"--risk {risk:g} cannot be reached: the least is {least['risk']:.3f}, with {least['coverage']:.0%} of the "
            "answers given"
        )
    return point["threshold"]


def point_at(risk: float, curve: Sequence[RiskPoint]) -> RiskPoint | None:
    """Of a curve, the point with most answers of which at most this share is wrong; None where there is none."""
    reached = (point for point in curve if point["risk"] <= risk)
    return max(reached, key=lambda point: point["coverage"], default=None)

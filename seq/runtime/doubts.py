"""Why an answer should not be relied on: sentences, each for itself; one is enough to mark the answer as uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from seq.audio.sound import Band, Sound

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

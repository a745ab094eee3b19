"""One plain sentence on how something was said, as a language model takes it for context.

What is high or low is so against the corpus that the model was trained on (`norms` of model.json; pitch against the
speakers of the same gender). Without norms the sentence states the measures and compares nothing.
"""

from __future__ import annotations

from typing import Any

from seq.runtime.prosody import Prosody
from seq.runtime.results import Answer

# Standard deviations from the corpus's mean beyond which something is worth saying.
NOTABLE = 1.0

_WHO = {"F": "A woman", "M": "A man"}
_DEGREE = {"none": "", "weak": " slightly", "moderate": "", "strong": " strongly"}
# Names of emotions that are no adjectives.
_ADJECTIVES = {"contempt": "contemptuous", "other": "moved by another emotion"}
# Measure -> what to say below and above the norm.
_WORDS = {
    "pitch": ("a low pitch", "a high pitch"),
    "movement": ("a flat melody", "a lively melody"),
    "loudness": ("a quiet voice", "a loud voice"),
    "rate": ("slow speech", "fast speech"),
    "harmonicity": ("a breathy or rough voice", "a clear, resonant voice"),
}


def describe(answer: Answer, measured: Prosody | None, norms: dict[str, Any] | None) -> str:
    """The sentence for an answer and what was measured of its voice."""
    sentence = _who(answer)
    if measured is None:
        return f"{sentence}; too little of it is voiced to say how."
    facts = f"median pitch {measured.pitch_hz:.0f} Hz, loudness {measured.loudness:.0f} dB"
    if measured.rate is not None:
        facts += f", {measured.rate:.1f} phones per second"
    if not norms:
        return f"{sentence} ({facts})."
    gender = answer.gender.label if answer.gender else None
    found = [word for measure, words in _WORDS.items() if (word := _word(measure, words, measured, norms, gender))]
    manner = _join(found) if found else "ordinary pitch, loudness and tempo"
    return f"{sentence}, with {manner} for a speaker of {norms['corpus']} ({facts})."


def _who(answer: Answer) -> str:
    who = _WHO.get(answer.gender.label, "A speaker") if answer.gender else "A speaker"
    if answer.emotion is None:
        return f"{who} speaks"
    degree = _DEGREE[answer.intensity.level] if answer.intensity and answer.emotion.label != "neutral" else ""
    hedge = " perhaps" if answer.uncertain else ""
    label = _ADJECTIVES.get(answer.emotion.label, answer.emotion.label)
    return f"{who} sounds{hedge}{degree} {label} ({answer.emotion.confidence:.0%})"


def _word(
    measure: str, words: tuple[str, str], measured: Prosody, norms: dict[str, Any], gender: str | None
) -> str | None:
    value, norm = getattr(measured, measure), norms.get(measure)
    if measure == "pitch" and norm is not None:
        norm = norm.get(gender)
    if value is None or norm is None:
        return None
    score = (value - norm["mean"]) / norm["std"]
    return None if abs(score) < NOTABLE else words[int(score > 0)]


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

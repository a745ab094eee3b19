"""One plain sentence on how something was said, as a language model takes it for context, and one on what is doubtful.

What is high or low is so against the corpus that the model was trained on (`norms` of model.json; pitch against the
speakers of the same gender). Without norms the sentence states the measures and compares nothing. Of loudness it says
how it varies, which no gain changes, and not how high it is. Where nothing is heard above 4 kHz, that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seq.labels import NEUTRAL
from seq.runtime.doubts import STRANGE_BAND, UNLIKELY
from seq.runtime.prosody import Prosody
from seq.runtime.results import Answer
from seq.tasks.answers import Category, TaskAnswer
from seq.tasks.base import SLOTS, Slot, Task

# Standard deviations from the corpus's mean beyond which something is worth saying.
NOTABLE = 1.0

# Measure -> what to say below and above the norm.
_WORDS = {
    "pitch": ("a low pitch", "a high pitch"),
    "movement": ("a flat melody", "a lively melody"),
    "dynamics": ("even loudness", "changing loudness"),
    "rate": ("slow speech", "fast speech"),
    "harmonicity": ("a breathy or rough voice", "a clear, resonant voice"),
}


def describe(answer: Answer, measured: Prosody | None, norms: Mapping[str, Any] | None) -> str:
    """The sentences for an answer and what was measured of its voice."""
    return f"{_sentence(answer, measured, norms)}{_reservations(answer)}"


def _reservations(answer: Answer) -> str:
    said = [doubt for doubt in answer.doubts if doubt != UNLIKELY]
    if answer.band == "narrow" and STRANGE_BAND["narrow"] not in said:
        said.append("nothing is heard above 4 kHz")
    return f" Of this recording: {'; '.join(said)}." if said else ""


def _sentence(answer: Answer, measured: Prosody | None, norms: Mapping[str, Any] | None) -> str:
    sentence = _who(answer)
    if measured is None:
        return f"{sentence}; too little of it is voiced to say how."
    facts = f"median pitch {measured.pitch_hz:.0f} Hz, loudness varying by {measured.dynamics:.0f} dB"
    if measured.rate is not None:
        facts += f", {measured.rate:.1f} phones per second"
    for task in answer.catalogue.tasks:
        if fact := task.fact(answer.tasks[task.name]):
            facts += f", {fact}"
    if not norms:
        return f"{sentence} ({facts})."
    subject = _said(answer, "subject")
    speaker = subject[1].label if subject and isinstance(subject[1], Category) else None
    found = [word for measure, words in _WORDS.items() if (word := _word(measure, words, measured, norms, speaker))]
    manner = _join(found) if found else "ordinary pitch, melody and tempo"
    return f"{sentence}, with {manner} for a speaker of {norms['corpus']} ({facts})."


def _said(answer: Answer, slot: Slot) -> tuple[Task, TaskAnswer] | None:
    """The task that fills a slot of the sentence, and its answer."""
    return next(((task, answer.tasks[task.name]) for task in answer.catalogue.tasks if task.slot == slot), None)


def _who(answer: Answer) -> str:
    subject, degree, adjective = (_said(answer, slot) for slot in SLOTS)
    who = subject[0].word(subject[1]) if subject else "A speaker"
    if adjective is None:
        return f"{who} speaks"
    task, found = adjective
    assert isinstance(found, Category)
    words = [who, "sounds"]
    if answer.uncertain:
        words.append("perhaps")
    if degree and found.label != NEUTRAL:
        words.append(degree[0].word(degree[1]))
    words.append(f"{task.word(found)} ({found.confidence:.0%})")
    return " ".join(word for word in words if word)


def _word(
    measure: str, words: tuple[str, str], measured: Prosody, norms: Mapping[str, Any], speaker: str | None
) -> str | None:
    value, norm = getattr(measured, measure), norms.get(measure)
    if measure == "pitch" and norm is not None:
        norm = norm.get(speaker)
    if value is None or norm is None:
        return None
    score = (value - norm["mean"]) / norm["std"]
    return None if abs(score) < NOTABLE else words[int(score > 0)]


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

"""IEMOCAP in miniature: both actors speak in every dialogue, whatever it is called; noises, unsegmented turns."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from seq.corpora.layouts.studio import Studio

# Who says what: the last letter of the utterance, emotion code, canonical name, text.
_TURNS: Final = (
    ("F", "ang", "angry", "I never said that"),
    ("M", "neu", "neutral", "What time is it"),
    ("F", "sad", "sad", "She is gone"),
    ("M", "exc", "excited", "We won the game [LAUGHTER]"),
    ("F", "fru", "frustrated", "Why does it take so long"),
    ("F", "neu", "neutral", "The bus is late again"),
    ("M", "ang", "angry", "Give it back to me"),
    ("F", "hap", "happy", "What a lovely day"),
    ("M", "sad", "sad", "I miss the old house"),
    ("M", "xxx", "other", "[BREATHING] Well, I suppose so--"),
)


_WORDS: Final = {
    "ang": "Anger",
    "neu": "Neutral",
    "sad": "Sadness",
    "exc": "Excited",
    "fru": "Frustration",
    "hap": "Happiness",
}


def _choices(code: str) -> tuple[str, str, str]:
    """What three raters say: two agree, and the third is of two minds; nobody agrees where there is no majority."""
    if code not in _WORDS:
        return "Anger", "Sadness", "Neutral"
    return _WORDS[code], _WORDS[code], f"{_WORDS[code]}; Frustration" if code != "fru" else "Anger"


# Valence, activation and dominance that the first rater gives; the second one leaves dominance out now and then.
_RATED: Final = {
    "ang": (2, 4, 4),
    "neu": (3, 2, 3),
    "sad": (2, 2, 2),
    "exc": (5, 4, 3),
    "fru": (2, 3, 4),
    "hap": (4, 3, 3),
    "xxx": (3, 3, 3),
}


def _ratings(code: str) -> tuple[str, str, str]:
    """Two raters' lines, and the actor's own."""
    valence, activation, dominance = _RATED[code]
    second = "" if code == "xxx" else str(dominance)
    return (
        f"A-E3:\tval {valence}; act {activation}; dom  {dominance};\t()",
        f"A-E4:\tval {valence}; act {activation - 1}; dom  {second};\t(unsure)",
        "A-F1:\tval 5; act 5; dom  5;\t()",
    )


def write(root: Path, studio: Studio) -> None:
    """50 utterances: 5 sessions, 2 dialogues, 10 actors; 40 of them in the 4-class protocol."""
    for number in range(1, 6):
        session = root / f"Session{number}"
        dialogues = (f"Ses0{number}F_impro01", f"Ses0{number}M_script01_1b")
        for index, dialogue in enumerate(dialogues):
            _write_dialogue(session, dialogue, _TURNS[5 * index : 5 * index + 5], studio)


def _write_dialogue(session: Path, dialogue: str, turns: tuple[tuple[str, str, str, str], ...], studio: Studio) -> None:
    ratings, texts = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
    for index, (actor, code, emotion, text) in enumerate(turns):
        name = f"{dialogue}_{actor}{index:03d}"
        words = [word for word in text.split() if not word.startswith("[")]
        path = session / "sentences/wav" / dialogue / f"{name}.wav"
        studio.record(path, dialogue[:5] + actor, "M" if actor == "M" else "F", "en", words, emotion)
        start, end = 4.0 * index, 4.0 * index + 3
        dominance = "nan" if code == "xxx" else "2.5000"
        ratings += [
            f"[{start:.4f} - {end:.4f}]\t{name}\t{code}\t[2.5000, 3.0000, {dominance}]",
            *(f"C-E{rater}:\t{word};\t()" for rater, word in enumerate(_choices(code), start=2)),
            "C-F1:\tOther;\t()",
            *_ratings(code),
            "",
        ]
        texts.append(f"{name} [{start:08.4f}-{end:08.4f}]: {text}")
    texts += [f"{dialogue}_MXX0 [099.0000-099.5000]: Hello?", "F: Mmhmm."]
    for folder, lines in (("EmoEvaluation", ratings), ("transcriptions", texts)):
        target = session / "dialog" / folder
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{dialogue}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (target / f"._{dialogue}.txt").write_bytes(b"Mac OS X\xb0")
    (session / "sentences/wav" / dialogue / f"._{dialogue}_F000.wav").write_bytes(b"Mac OS X")

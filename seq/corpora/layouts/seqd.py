"""A corpus in SEQD's form: two languages, three annotators who do not always agree, one tie, a split and folds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final, Literal

from seq.corpora.layouts.studio import MANDARIN, Studio

_COLUMNS: Final = ("id", "path", "text", "speaker", "gender", "emotion", "intensity")
_SPEAKERS: Final[dict[str, tuple[Literal["F", "M"], str]]] = {
    "s1": ("F", "zh"),
    "s2": ("M", "zh"),
    "s3": ("F", "en"),
    "s4": ("M", "en"),
    "s5": ("F", "zh"),
}
_SPLITS: Final = {"s1": "train", "s2": "train", "s3": "train", "s4": "valid", "s5": "test"}
_EMOTIONS: Final = ("neutral", "happy", "sad", "angry", "surprised")
_ENGLISH: Final = ("The train leaves at noon", "Please close the window")
_LEVELS: Final = (None, "weak", "moderate", "strong")


def write(root: Path, studio: Studio) -> None:
    """50 utterances: 5 speakers, 5 emotions, 2 sentences; three rows each."""
    rows = []
    for number, (speaker, (gender, language)) in enumerate(_SPEAKERS.items()):
        for index, emotion in enumerate(_EMOTIONS):
            for sentence in range(2):
                words = MANDARIN[sentence] if language == "zh" else _ENGLISH[sentence].split()
                rating = 0 if emotion == "neutral" else 1 + (number + index + sentence) % 3
                name = f"{speaker}_{emotion}_{sentence}"
                path = root / f"wav/{name}.wav"
                studio.record(path, speaker, gender, language, words, emotion, _LEVELS[rating])
                text = ("" if language == "zh" else " ").join(words)
                fixed = (name, f"wav/{name}.wav", text, speaker, gender)
                # The second annotator doubts; the third one, too, where there is to be a tie.
                other = "surprised" if emotion == "happy" else emotion
                is_tie = name == "s1_happy_0"
                votes = (emotion, other, "neutral" if is_tie else emotion)
                ratings = (rating, min(rating + sentence, 3), rating)
                rows += [
                    (*fixed, vote, str(r), f"a{i}", _SPLITS[speaker], str(number + 1))
                    for i, (vote, r) in enumerate(zip(votes, ratings, strict=True))
                ]
    with open(root / "metadata.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([(*_COLUMNS, "annotator", "split", "fold"), *rows])

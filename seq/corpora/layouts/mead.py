"""MEAD in miniature: m4a files, which nothing here can read, with their wav copies beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from seq.corpora.layouts.studio import Studio

_ACTORS: Final = ("M003", "M005", "M007", "W009", "W011")
_EMOTIONS: Final = {
    "angry": "angry",
    "contempt": "contempt",
    "disgusted": "disgusted",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprised": "surprised",
}
_TEXT: Final = "I left the keys on the kitchen table"
_LEVELS: Final = ("weak", "moderate", "strong")


def write(root: Path, studio: Studio) -> None:
    """40 utterances: 5 actors, 8 emotions; the levels in turn, neutral at level_1 only."""
    for number, actor in enumerate(_ACTORS):
        for index, (folder, emotion) in enumerate(_EMOTIONS.items()):
            level = 0 if emotion == "neutral" else (number + index) % 3
            path = root / actor / "audio" / folder / f"level_{level + 1}" / "001.wav"
            intensity = None if emotion == "neutral" else _LEVELS[level]
            studio.record(path, actor, "M" if actor[0] == "M" else "F", "en", _TEXT.split(), emotion, intensity)
            path.with_suffix(".m4a").write_bytes(b"\0\0\0\x20ftypM4A ")

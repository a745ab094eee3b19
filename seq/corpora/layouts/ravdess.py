"""RAVDESS in miniature: 48 kHz, one file stereo, a song among the speech."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from seq.corpora.layouts.studio import Studio
from seq.corpora.ravdess import SENTENCES

_ACTORS: Final = (1, 4, 5, 8, 9, 12, 20)
_EMOTIONS: Final = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
_LEVELS: Final = {"01": "moderate", "02": "strong"}
_RATE: Final = 48000


def write(root: Path, studio: Studio) -> None:
    """56 utterances: 7 actors, 8 emotions; intensity and sentence in turn."""
    for actor in _ACTORS:
        folder = root / f"Actor_{actor:02d}"
        for index, emotion in enumerate(_EMOTIONS):
            level = "01" if emotion == "neutral" or (actor + index) % 2 else "02"
            statement = "01" if (actor + index // 2) % 2 else "02"
            name = f"03-01-{index + 1:02d}-{level}-{statement}-01-{actor:02d}.wav"
            studio.record(
                folder / name,
                folder.name,
                "M" if actor % 2 else "F",
                "en",
                SENTENCES[statement].split(),
                emotion,
                None if emotion == "neutral" else _LEVELS[level],
                _RATE,
                channels=2 if (actor, index) == (5, 0) else 1,
            )
    (root / "Actor_01/03-02-01-01-01-01-01.wav").write_bytes(b"a song is skipped unopened")

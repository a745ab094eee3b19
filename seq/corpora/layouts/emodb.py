"""EMO-DB in miniature, with the Latin-1 label folders that the reader does not need."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from seq.corpora.emodb import MEN, SENTENCES
from seq.corpora.layouts.studio import Studio

_SPEAKERS: Final = ("03", "08", "09", "10", "14")
_EMOTIONS: Final = {
    "W": "angry",
    "L": "bored",
    "E": "disgusted",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
_SHORT: Final = ("a01", "a02", "a04", "a07", "b10")


def write(root: Path, studio: Studio) -> None:
    """35 utterances: 5 speakers, 7 emotions."""
    for number, speaker in enumerate(_SPEAKERS):
        for index, (letter, emotion) in enumerate(_EMOTIONS.items()):
            code = _SHORT[(number + index) % len(_SHORT)]
            name = f"{speaker}{code}{letter}{'abc'[index % 3]}"
            words = SENTENCES[code].replace(",", "").split()
            studio.record(root / f"wav/{name}.wav", speaker, "M" if speaker in MEN else "F", "de", words, emotion)
    for folder in ("lablaut", "silb"):
        (root / folder).mkdir()
        (root / folder / "03a04Wa.txt").write_bytes("0.1 kÖn\n0.3 tə\n".replace("ə", "e").encode("latin-1"))

"""nEMO in miniature: 24 kHz, a table with blanks in its cells that lists more than there is."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from seq.corpora.layouts.studio import Studio
from seq.utils.files import write_text

_SPEAKERS: Final[dict[str, Literal["F", "M"]]] = {"EB0": "F", "IC0": "F", "KS0": "M", "MP0": "M", "WR0": "M"}
_EMOTIONS: Final = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprised",
}
# The first nine, in each of whose thirds (see the protocol `sentences`) three lie.
_SENTENCES: Final = (
    "Lubię czytać przed snem.",
    "Nie waśńmy się ze sobą.",
    "Chodźmy w tango.",
    "Dzieci muszą dużo jeść.",
    "Przestań go judzić.",
    "Dziunia, nie jesteś moim szefem.",
    "Życie jest pełne niespodzianek.",
    "Moja ciocia jest bardzo pomocna.",
    "Piłka nożna to moja pasja.",
)


def write(root: Path, studio: Studio) -> None:
    """90 utterances: 5 speakers say 9 sentences, each with two of 6 emotions."""
    lines = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    names = list(_EMOTIONS)
    for number, (speaker, gender) in enumerate(_SPEAKERS.items()):
        for index, text in enumerate(_SENTENCES):
            words = text.rstrip(".").replace(",", "").split()
            for emotion in (names[(number + index) % 6], names[(number + index + 3) % 6]):
                name = f"{speaker}_{emotion}_{index + 1}.wav"
                studio.record(root / f"samples/{name}", speaker, gender, "pl", words, _EMOTIONS[emotion], rate=24000)
                lines.append(_line(name, emotion, text, speaker, gender))
    lines.append(_line("WR0_anger_90.wav", "anger", _SENTENCES[0], "WR0", "M"))
    write_text(root / "data.tsv", "\n".join(lines) + "\n")


def _line(name: str, emotion: str, text: str, speaker: str, gender: str) -> str:
    normalized = text.rstrip(".").replace(",", "").lower()
    word = "female" if gender == "F" else "male"
    return f"{name}\t{emotion}\t{text}\t{normalized}\t        {speaker}\t{word}\t27"

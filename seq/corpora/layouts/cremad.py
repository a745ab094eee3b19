"""CREMA-D in miniature: asked levels and those that raters heard, tied votes, the silent file."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import numpy as np

from seq.corpora.cremad import SENTENCES
from seq.corpora.cremad_ratings import LEVEL_COLUMNS
from seq.corpora.layouts.studio import Studio
from seq.synth.speech import write_wav

# One of every fold of the protocol, and 1076, the actor of the silent file.
_ACTORS: Final[dict[str, Literal["F", "M"]]] = {
    "1001": "M",
    "1002": "F",
    "1003": "F",
    "1004": "F",
    "1005": "M",
    "1076": "F",
}
_EMOTIONS: Final = {
    "ANG": "angry",
    "DIS": "disgusted",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
_LEVELS: Final = {"LO": "weak", "MD": "moderate", "HI": "strong", "XX": None}
SILENT: Final = "1076_MTI_SAD_XX"


# What the raters heard, by the letter of the emotion: votes and the mean level.
_Heard = dict[str, tuple[int, str]]
# Two ties, one of them with the acted emotion, and an emotion that nobody heard, nor neutral.
_HEARD: Final[dict[tuple[str, str], _Heard]] = {
    ("1001", "ANG"): {"A": (4, "37.2"), "D": (4, "58.6"), "N": (1, "70.5")},
    ("1001", "SAD"): {"F": (4, "48.5"), "N": (4, "49.0"), "S": (1, "30.0")},
    ("1002", "DIS"): {"A": (9, "35.5")},
}


def write(root: Path, studio: Studio) -> None:
    """67 utterances of 6 actors: IEO at a level (neutral: XX), TSI without one, and the silent file."""
    heard: dict[str, _Heard] = {}
    for number, (actor, gender) in enumerate(_ACTORS.items()):
        for index, (code, emotion) in enumerate(_EMOTIONS.items()):
            level = "XX" if code == "NEU" else ("LO", "MD", "HI")[(number + index) % 3]
            names = [f"{actor}_IEO_{code}_{level}"] + ([f"{actor}_TSI_{code}_XX"] if code != "NEU" else [])
            for name in names:
                words = SENTENCES[name.split("_")[1]].split()
                intensity = _LEVELS[name.split("_")[3]]
                studio.record(root / f"AudioWAV/{name}.wav", actor, gender, "en", words, emotion, intensity)
                # Ratings on the whole scale; a third of the raters are not impressed.
                usual = {code[0]: (6, f"{20 + 10 * index + 5 * number}.5")}
                heard[name] = _HEARD.get((actor, code), usual if code == "NEU" else {**usual, "N": (3, "50.0")})
    write_wav(root / f"AudioWAV/{SILENT}.wav", np.zeros(16000, dtype=np.int16), 16000)
    heard[SILENT] = {"N": (7, "59.8"), "F": (2, "20.0")}
    (root / "processedResults").mkdir()
    (root / "processedResults/tabulatedVotes.csv").write_text(_votes(heard))
    (root / "processedResults/summaryTable.csv").write_text(_summary(heard))
    people = [f'{actor},30,"{"Male" if gender == "M" else "Female"}"\n' for actor, gender in _ACTORS.items()]
    (root / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n' + "".join(people))


def _votes(heard: dict[str, _Heard]) -> str:
    """tabulatedVotes.csv: of every utterance, a row of the voice, one of the face, and one of both."""
    lines = [",".join(f'"{name}"' for name in ("", *LEVEL_COLUMNS, "fileName", *LEVEL_COLUMNS.values()))]
    for number, (name, ratings) in enumerate(heard.items(), start=1):
        # Who sees the face hears what was acted.
        seen = {name.split("_")[2][0]: (9, "90.0")}
        for modality, found in ((1, ratings), (2, seen), (3, seen)):
            votes = [str(found.get(letter, (0, ""))[0]) for letter in LEVEL_COLUMNS]
            means = [found.get(letter, (0, "-1"))[1] for letter in LEVEL_COLUMNS]
            lines.append(",".join([f'"{modality}{number:05d}"', *votes, f'"{name}"', *means]))
    return "\n".join(lines) + "\n"


def _summary(heard: dict[str, _Heard]) -> str:
    """summaryTable.csv: the emotions that most raters heard, and their levels."""
    lines = ['"","FileName","VoiceVote","VoiceLevel"']
    for number, (name, ratings) in enumerate(heard.items(), start=1):
        most = max(votes for votes, _ in ratings.values())
        winners = {letter: level for letter, (votes, level) in ratings.items() if votes == most}
        lines.append(f'"{number}","{name}","{":".join(winners)}","{":".join(winners.values())}"')
    return "\n".join(lines) + "\n"

"""CREMA-D in miniature: asked levels and crowd levels, tied votes, the silent file."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import numpy as np

from seq.corpora.cremad import SENTENCES
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


def write(root: Path, studio: Studio) -> None:
    """67 utterances of 6 actors: IEO at a level (neutral: XX), TSI without one, and the silent file."""
    rows = []
    for number, (actor, gender) in enumerate(_ACTORS.items()):
        for index, (code, emotion) in enumerate(_EMOTIONS.items()):
            level = "XX" if code == "NEU" else ("LO", "MD", "HI")[(number + index) % 3]
            names = [f"{actor}_IEO_{code}_{level}"] + ([f"{actor}_TSI_{code}_XX"] if code != "NEU" else [])
            for name in names:
                words = SENTENCES[name.split("_")[1]].split()
                intensity = _LEVELS[name.split("_")[3]]
                studio.record(root / f"AudioWAV/{name}.wav", actor, gender, "en", words, emotion, intensity)
                # A tie with and one without the acted emotion, and ratings on the whole scale.
                tie = {("1001", "ANG"): ("A:D", "37.2:58.6"), ("1001", "SAD"): ("F:N", "48.5:49.0")}
                vote = tie.get((actor, code), (code[0], f"{20 + 10 * index + 5 * number}.5"))
                rows.append((name, *vote))
    write_wav(root / f"AudioWAV/{SILENT}.wav", np.zeros(16000, dtype=np.int16), 16000)
    rows.append((SILENT, "N", "59.8"))
    folder = root / "processedResults"
    folder.mkdir()
    lines = [f'"{i}","{name}","{vote}","{level}"\n' for i, (name, vote, level) in enumerate(rows, start=1)]
    (folder / "summaryTable.csv").write_text('"","FileName","VoiceVote","VoiceLevel"\n' + "".join(lines))
    people = [f'{actor},30,"{"Male" if gender == "M" else "Female"}"\n' for actor, gender in _ACTORS.items()]
    (root / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n' + "".join(people))

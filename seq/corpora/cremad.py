"""CREMA-D: 91 actors say 12 sentences in 6 emotions (Cao et al. 2014).

`AudioWAV/1001_IEO_ANG_HI.wav`: actor, sentence, emotion, level. The actors were asked for a level (LO, MD, HI) in one
sentence only; elsewhere (XX) the level of the acted emotion that raters heard in the voice
stands in for it (`seq.corpora.cremad_ratings`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Literal

from seq.corpora.base import CorpusReader, Utterance
from seq.corpora.cremad_ratings import acted_level, read_ratings
from seq.corpora.tables import read_keyed_csv
from seq.corpora.trees import audio_files, child, find_below
from seq.errors import InputError

SENTENCES: Final = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
_GENDERS: Final[dict[str, Literal["F", "M"]]] = {"Female": "F", "Male": "M"}
# Some copies write X for XX.
_NAME: Final = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX?)")


class Reader(CorpusReader):
    """Reads AudioWAV; the raw intensity is LO, MD or HI, or what the raters heard, a number such as "49.5" (0 to 100).

    There is none for neutral, nor where every rater heard another emotion than the acted one and neutral.
    """

    name: ClassVar[str] = "cremad"
    obtain: ClassVar[str] = """\
CREMA-D (ODbL 1.0) is at https://github.com/CheyneyComputerScience/CREMA-D: clone it with Git LFS (git lfs pull fetches
the audio), and pass the folder that holds AudioWAV with --corpus-dir. VideoDemographics.csv and
processedResults/tabulatedVotes.csv must lie beside AudioWAV; copies on other sites lack them."""

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder of AudioWAV."""
        return find_below(corpus_dir, lambda f: child(f, "AudioWAV").is_dir(), "folder AudioWAV of CREMA-D")

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances, sorted by name.

        Raises:
            InputError: a misnamed file, an unknown actor, a table that is missing or lacks an utterance.
        """
        demographics = child(root, "VideoDemographics.csv")
        genders = {actor: row.cells["Sex"] for actor, row in read_keyed_csv(demographics, "ActorID", ("Sex",)).items()}
        table, ratings = read_ratings(root)
        for path in audio_files(child(root, "AudioWAV")):
            match = _NAME.fullmatch(path.stem)
            if match is None or match[2] not in SENTENCES:
                raise InputError(f"{path} is not named as CREMA-D's files (1001_IEO_ANG_HI.wav): rename or remove it")
            actor, sentence, emotion, level = match.groups()
            name = f"{actor}_{sentence}_{emotion}_{'XX' if level == 'X' else level}"
            if genders.get(actor) not in _GENDERS:
                raise InputError(f"{demographics} has no Male or Female for actor {actor} of {path.name}: complete it")
            if name not in ratings:
                raise InputError(f"{table} has no line for {name}: copy it again from CREMA-D's page")
            heard = None if (found := acted_level(ratings[name], emotion[0])) is None else f"{found:g}"
            yield Utterance(
                id=name,
                audio=path,
                speaker=actor,
                gender=_GENDERS[genders[actor]],
                language="en",
                text=SENTENCES[sentence],
                sentence=sentence,
                raw={"emotion": emotion, "intensity": heard if level.startswith("X") else level},
            )

"""CREMA-D: 91 actors say 12 sentences in 6 emotions (Cao et al. 2014).

`AudioWAV/1001_IEO_ANG_HI.wav`: actor, sentence, emotion, level. The actors were asked for a level (LO, MD, HI) in one
sentence only; elsewhere (XX) the crowd's rating of the voice, 0 to 100, stands in for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Literal

from seq.corpora.base import CorpusReader, Utterance
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
LOWEST_LEVEL, HIGHEST_LEVEL = 0, 100
# Some copies write X for XX.
_NAME: Final = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX?)")


class Reader(CorpusReader):
    """Reads AudioWAV; the raw intensity is LO, MD or HI, or the crowd's level as a number, such as "69.1"."""

    name: ClassVar[str] = "cremad"
    obtain: ClassVar[str] = """\
CREMA-D (ODbL 1.0) is at https://github.com/CheyneyComputerScience/CREMA-D: clone it with Git LFS (git lfs pull fetches
the audio), and pass the folder that holds AudioWAV with --corpus-dir. VideoDemographics.csv and
processedResults/summaryTable.csv must lie beside AudioWAV; copies on other sites lack them."""

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
        summary = child(root, "processedResults/summaryTable.csv")
        levels = {
            name: _crowd_level(name, row.cells["VoiceVote"], row.cells["VoiceLevel"], f"{summary}, line {row.line}")
            for name, row in read_keyed_csv(summary, "FileName", ("VoiceVote", "VoiceLevel")).items()
        }
        for path in audio_files(child(root, "AudioWAV")):
            match = _NAME.fullmatch(path.stem)
            if match is None or match[2] not in SENTENCES:
                raise InputError(f"{path} is not named as CREMA-D's files (1001_IEO_ANG_HI.wav): rename or remove it")
            actor, sentence, emotion, level = match.groups()
            name = f"{actor}_{sentence}_{emotion}_{'XX' if level == 'X' else level}"
            if genders.get(actor) not in _GENDERS:
                raise InputError(f"{demographics} has no Male or Female for actor {actor} of {path.name}: complete it")
            if name not in levels:
                raise InputError(f"{summary} has no line for {name}: copy it again from CREMA-D's page")
            yield Utterance(
                id=name,
                audio=path,
                speaker=actor,
                gender=_GENDERS[genders[actor]],
                language="en",
                text=SENTENCES[sentence],
                sentence=sentence,
                raw={"emotion": emotion, "intensity": levels[name] if level.startswith("X") else level},
            )


def _crowd_level(name: str, votes: str, levels: str, where: str) -> str:
    """The crowd's level of an utterance, as a number in a string.

    Where votes tie (`A:D` with `37.2:58.6`), it is the level of the emotion that was acted if that is among them, and
    the mean of the tied levels otherwise.
    """
    try:
        of_vote = dict(zip(votes.split(":"), (float(level) for level in levels.split(":")), strict=True))
    except ValueError as error:
        raise InputError(f"{where}: {name} has the level {levels!r} for the vote {votes!r}: copy it again") from error
    # NaN is not between the two, either; and the mean of levels outside could lie within.
    if not all(LOWEST_LEVEL <= level <= HIGHEST_LEVEL for level in of_vote.values()):
        raise InputError(
            f"{where}: {name} has the level {levels!r}, and levels go from {LOWEST_LEVEL} to {HIGHEST_LEVEL}: copy the "
            "file again"
        )
    if (match := _NAME.fullmatch(name)) is None:
        raise InputError(f"{where}: {name!r} is not named as CREMA-D's utterances (1001_IEO_ANG_HI): copy it again")
    return f"{of_vote.get(match[3][0], sum(of_vote.values()) / len(of_vote)):g}"

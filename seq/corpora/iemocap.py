"""IEMOCAP: two actors at a time in five sessions, improvised and scripted (Busso et al. 2008).

`Session1/sentences/wav/Ses01F_impro04/Ses01F_impro04_M000.wav`; labels by the majority of raters in
`Session1/dialog/EmoEvaluation/Ses01F_impro04.txt`, texts in `Session1/dialog/transcriptions/Ses01F_impro04.txt`.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from seq.corpora.base import CorpusReader, Utterance
from seq.corpora.texts import read_lines
from seq.corpora.trees import audio_files, child, find_below, folders
from seq.errors import InputError
from seq.lang.g2p import is_speakable

# The raters did not agree: there is no label.
NO_MAJORITY: Final = "xxx"
# The dialogue is named after the actor with the motion sensors; who speaks is the LAST letter group.
_ID: Final = re.compile(r"(Ses\d\d)[FM]_\w+_([FM])\d{3}")
_RATING: Final = re.compile(r"\[[\d. -]+\]\t(\S+)\t(\w+)\t.*")
# A rater's own choice, one or several words; raters are C-E1 to C-E6, the actors' views of themselves C-F1 and C-M1.
_CHOICE: Final = re.compile(r"C-E\d+:\t([^\t(]*).*")
# A rater's numbers, any of which may be missing, in the corpus's order; A-F1 and A-M1 are the actors' own.
_NUMBERS: Final = re.compile(r"A-E\d+:\s*val\s*(\d*)\s*;\s*act\s*(\d*)\s*;\s*dom\s*(\d*)\s*;.*")
_DIMENSIONS: Final = ("valence", "arousal", "dominance")
# The raters' words as the codes of the majority.
_CODES: Final = {
    "Anger": "ang",
    "Happiness": "hap",
    "Excited": "exc",
    "Sadness": "sad",
    "Neutral": "neu",
    "Neutral state": "neu",
    "Frustration": "fru",
    "Surprise": "sur",
    "Fear": "fea",
    "Disgust": "dis",
    "Other": "oth",
}
_TEXT: Final = re.compile(r"(Ses\S+)\s+\[[\d. -]+\]:?\s*(.*)")
# Turns outside the segmentation, such as Ses01F_impro02_MXX0: they have no audio.
_UNSEGMENTED: Final = re.compile(r".*_[FM]XX\d*")
# [LAUGHTER], [BREATHING], <...>.
_NOISES: Final = re.compile(r"\[[^]]*\]?|<[^>]*>?")


class Reader(CorpusReader):
    """Reads the full release; emotions are the codes of EmoEvaluation, `xxx` (no majority) is no label."""

    name: ClassVar[str] = "iemocap"
    obtain: ClassVar[str] = """\
IEMOCAP is free for academic use: fill in the form at https://sail.usc.edu/iemocap/iemocap_release.htm, unpack
IEMOCAP_full_release, and pass the folder that holds Session1 to Session5 with --corpus-dir. Of each session,
sentences/wav, dialog/EmoEvaluation and dialog/transcriptions are read."""

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder of the sessions."""
        return find_below(corpus_dir, lambda f: bool(_sessions(f)), "folders such as Session1/sentences/wav of IEMOCAP")

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances; what is odd about the transcripts is counted and said at the end.

        Raises:
            InputError: audio without a label, a misnamed file, a transcript of another dialogue.
        """
        oddities: Counter[str] = Counter()
        for session in _sessions(root):
            all_ratings, all_texts = child(session, "dialog/EmoEvaluation"), child(session, "dialog/transcriptions")
            for dialogue_dir in folders(child(session, "sentences/wav")):
                dialogue = dialogue_dir.name
                ratings_path = all_ratings / f"{dialogue}.txt"
                ratings = _read_ratings(ratings_path, oddities)
                texts = _read_texts(all_texts / f"{dialogue}.txt", dialogue, set(ratings), oddities)
                for path in audio_files(dialogue_dir):
                    match = _ID.fullmatch(path.stem)
                    if match is None or path.stem not in ratings:
                        raise InputError(
                            f"{path} has no line in {ratings_path}: complete the corpus, or remove the file"
                        )
                    rated = ratings[path.stem]
                    yield Utterance(
                        id=path.stem,
                        audio=path,
                        speaker=f"{match[1]}{match[2]}",
                        gender="M" if match[2] == "M" else "F",
                        language="en",
                        text=texts.get(path.stem),
                        sentence=None,
                        raw={"emotion": None if rated.emotion == NO_MAJORITY else rated.emotion, **rated.values()},
                        votes=rated.votes if rated.num_raters > 1 else {},
                    )
        for oddity, count in sorted((+oddities).items()):
            print(f"iemocap: {count} {oddity}", file=sys.stderr)


def _sessions(folder: Path) -> list[Path]:
    found = (path for path in folders(folder) if re.fullmatch(r"Session\d", path.name, re.IGNORECASE))
    return [path for path in found if child(path, "sentences/wav").is_dir()]


@dataclass
class _Rated:
    """What the raters said of a turn: the code of their majority, how many chose each code, and their numbers."""

    emotion: str
    votes: dict[str, float] = field(default_factory=dict)
    num_raters: int = 0
    # Of each dimension, all ratings.
    numbers: dict[str, list[str]] = field(default_factory=dict)

    def values(self) -> dict[str, str]:
        """All ratings of each dimension that has any, such as "2;3"."""
        return {name: ";".join(ratings) for name, ratings in self.numbers.items()}


def _read_ratings(path: Path, oddities: Counter[str]) -> dict[str, _Rated]:
    """The ratings of every turn, by utterance id; the lines of single raters stand below each turn's own."""
    ratings: dict[str, _Rated] = {}
    turn: _Rated | None = None
    for line in read_lines(path, "en"):
        if match := _RATING.fullmatch(line):
            turn = ratings[match[1]] = _Rated(match[2])
        elif turn is not None and (match := _CHOICE.fullmatch(line)):
            words = [word.strip() for word in match[1].split(";") if word.strip()]
            codes = [_CODES[word] for word in words if word in _CODES]
            oddities["raters' words are none of the categories: skipped"] += len(words) - len(codes)
            turn.num_raters += bool(codes)
            for code in codes:
                turn.votes[code] = turn.votes.get(code, 0.0) + 1 / len(codes)
        elif turn is not None and (match := _NUMBERS.fullmatch(line)):
            for name, rating in zip(_DIMENSIONS, match.groups(), strict=True):
                if rating:
                    turn.numbers.setdefault(name, []).append(rating)
    return ratings


def _read_texts(path: Path, dialogue: str, known: set[str], oddities: Counter[str]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, "en"), start=1):
        match = _TEXT.fullmatch(line.strip())
        if match is None:
            oddities["lines of transcriptions belong to no turn: skipped"] += bool(line.strip())
            continue
        if not match[1].startswith(f"{dialogue}_"):
            raise InputError(f"{path}, line {number}: {match[1]} is no turn of {dialogue}: correct or remove that line")
        if match[1] not in known:
            kind = "unsegmented turns" if _UNSEGMENTED.fullmatch(match[1]) else "transcribed turns without a label"
            oddities[f"{kind}: skipped"] += 1
            continue
        text = " ".join(_NOISES.sub(" ", match[2]).split())
        if is_speakable(text, "en"):
            texts[match[1]] = text
        else:
            oddities["texts are noises only, or have digits or symbols: the phone task is masked for them"] += 1
    return texts

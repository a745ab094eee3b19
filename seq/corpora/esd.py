"""ESD: 10 Mandarin and 10 English speakers say 350 sentences in 5 emotions (Zhou et al. 2022).

`0001/Angry/0001_000351.wav`, or one folder deeper in train, evaluation and test; `0001/0001.txt` with
`id<TAB>text<TAB>emotion`, its encoding, its line format and the language of its emotion words depending on the speaker.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

from seq.corpora.base import CorpusReader, Utterance
from seq.corpora.texts import read_lines
from seq.corpora.trees import audio_files, find_below, folders
from seq.errors import InputError
from seq.lang.g2p import is_speakable

# In the order of their numbers: Neutral is 1-350, Angry 351-700, and so on.
EMOTIONS: Final = ("Neutral", "Angry", "Happy", "Sad", "Surprise")
# The last column of the Mandarin files; the folder decides, so these words are only told apart from text.
MANDARIN_EMOTIONS: Final = {
    **dict.fromkeys(("中立", "中性"), "Neutral"),
    **dict.fromkeys(("生气", "愤怒"), "Angry"),
    **dict.fromkeys(("快乐", "开心", "高兴"), "Happy"),
    **dict.fromkeys(("伤心", "悲伤", "难过"), "Sad"),
    **dict.fromkeys(("惊喜", "惊讶", "惊奇"), "Surprise"),
}
SENTENCES_EACH: Final = 350
MEN: Final = {f"{number:04d}" for number in (4, 5, 6, 8, 10, 11, 12, 13, 14, 20)}
_ID: Final = re.compile(r"(\d{4})_(\d{6})")
_LINE: Final = re.compile(r"\s*(\d{4}_\d{6})\s+(\S.*?)\s*")


class Reader(CorpusReader):
    """Reads both trees; the sentence of an utterance is its language and its number in the block, such as zh-021."""

    name: ClassVar[str] = "esd"
    obtain: ClassVar[str] = """\
ESD is free for research: fill in the form linked at https://github.com/HLTSingapore/Emotional-Speech-Data, unpack it,
and pass the folder that holds 0001 to 0020 with --corpus-dir; it must look like 0001/Angry/0001_000351.wav and
0001/0001.txt. Folders train, evaluation and test below the emotions do not matter."""

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder of the speakers 0001 ..."""
        return find_below(corpus_dir, lambda f: bool(_speaker_dirs(f)), "folders such as 0001/Angry of ESD")

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances; what is odd about the transcripts is counted and said at the end.

        Raises:
            InputError: an unknown emotion folder, a misplaced file, an undecodable line, a transcript of nothing.
        """
        oddities: Counter[str] = Counter()
        for folder in _speaker_dirs(root):
            language = "zh" if folder.name <= "0010" else "en"
            texts = _read_texts(folder, language, oddities)
            for emotion_dir in folders(folder):
                emotion = emotion_dir.name.capitalize()
                if emotion not in EMOTIONS:
                    known = ", ".join(EMOTIONS)
                    raise InputError(f"{emotion_dir}: unknown emotion folder; rename it to one of {known} or remove it")
                for path in audio_files(emotion_dir):
                    number = _number(path.stem, folder.name, emotion, path)
                    yield Utterance(
                        id=path.stem,
                        audio=path,
                        speaker=folder.name,
                        gender="M" if folder.name in MEN else "F",
                        language=language,
                        text=texts.get(path.stem),
                        sentence=f"{language}-{(number - 1) % SENTENCES_EACH + 1:03d}",
                        raw={"emotion": emotion},
                    )
        for oddity, count in sorted(oddities.items()):
            print(f"esd: {count} {oddity}", file=sys.stderr)


def _speaker_dirs(folder: Path) -> list[Path]:
    found = [path for path in folders(folder) if re.fullmatch(r"\d{4}", path.name)]
    return [path for path in found if {name.name.capitalize() for name in folders(path)} & set(EMOTIONS)]


def _number(stem: str, speaker: str, emotion: str | None, where: Path | str) -> int:
    """The number of an utterance, which must fit its speaker and (if it is known) its emotion."""
    match = _ID.fullmatch(stem)
    number = int(match[2]) if match else 0
    if match is None or match[1] != speaker or not 1 <= number <= SENTENCES_EACH * len(EMOTIONS):
        raise InputError(
            f"{where}: {stem} is no utterance of speaker {speaker}, whose names are {speaker}_000001 to "
            f"{speaker}_{SENTENCES_EACH * len(EMOTIONS):06d}: correct or remove it"
        )
    block = EMOTIONS[(number - 1) // SENTENCES_EACH]
    if emotion not in (None, block):
        raise InputError(f"{where} is in the folder {emotion}, but has a number of {block}: move it there or remove it")
    return number


def _read_texts(folder: Path, language: str, oddities: Counter[str]) -> dict[str, str]:
    """The texts of one speaker by utterance id."""
    path = folder / f"{folder.name}.txt"
    if not path.exists():
        oddities["speakers have no transcript file: the phone task is masked for them"] += 1
        return {}
    texts: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, language), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            oddities["lines of transcript files are malformed: skipped"] += bool(line.strip())
            continue
        block = EMOTIONS[(_number(match[1], folder.name, None, f"{path}, line {number}") - 1) // SENTENCES_EACH]
        text, word = _split_word(match[2])
        if word is not None and MANDARIN_EMOTIONS.get(word, word.capitalize()) != block:
            oddities["transcripts name another emotion than the folder of the utterance: the folder counts"] += 1
        if is_speakable(text, language):
            texts[match[1]] = text
        else:
            oddities["texts have digits or symbols: the phone task is masked for them"] += 1
    return texts


def _split_word(rest: str) -> tuple[str, str | None]:
    """Text and emotion word of a line; some lines have blanks where the tab should be, some have no word."""
    text, tab, word = (part.strip() for part in rest.partition("\t"))
    if tab or "\t" in rest:
        return text, word or None
    text, _, word = rest.rpartition(" ")
    if text and (word in EMOTIONS or word in MANDARIN_EMOTIONS):
        return text.strip(), word
    return rest, None

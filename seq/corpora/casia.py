"""CASIA (Mandarin): `<speaker>/<emotion>/201.wav ... 250.wav`; folder case varies.

The fuller edition (9600 files) has the folders 相同文本300 (the same 300 texts for all) and 不同文本100 (100 texts
of its own for each) somewhere on the way, speakers such as `Chang.Liu`, and `normal` for neutral.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Literal

from seq.corpora.base import CorpusReader, ReaderOption, Utterance
from seq.corpora.tables import read_table
from seq.corpora.trees import audio_files, find_below, folders
from seq.errors import InputError

EMOTIONS: Final = ("angry", "fear", "happy", "neutral", "normal", "sad", "surprise")
_GENDERS: Final[dict[str, Literal["F", "M"]]] = {
    "liuchanhg": "F",
    "wangzhe": "M",
    "zhaoquanyin": "F",
    "zhaozuoxiang": "M",
}
_KNOWN_GENDERS: Final[dict[str | None, Literal["F", "M"] | None]] = {"F": "F", "M": "M", None: None}
# The names of the fuller edition, given name first.
_ALIASES: Final = {
    "chang.liu": "liuchanhg",
    "zhe.wang": "wangzhe",
    "quanyin.zhao": "zhaoquanyin",
    "zuoxiang.zhao": "zhaozuoxiang",
}
_TEXT_SETS: Final = re.compile(r"(相同|不同)文本")
# 0001_000351.wav, or train, evaluation and test (ESD); level_1 (MEAD).
_FOREIGN: Final = re.compile(r"\d{4}_\d{6}|train|evaluation|test|level_\d")


class Reader(CorpusReader):
    """Reads CASIA, and any corpus in its tree.

    At the root there may be transcripts.txt (`id<TAB>text`; the id is that of a sentence, 201, or of an utterance),
    speakers.tsv (`speaker<TAB>F or M`) and intensities.tsv (`utterance id<TAB>level`).
    """

    name: ClassVar[str] = "casia"
    options: ClassVar[tuple[ReaderOption, ...]] = (
        ReaderOption(
            "transcripts", "UTF-8 file of id<TAB>text lines; the id is a sentence number (201) or an utterance id"
        ),
    )
    obtain: ClassVar[str] = """\
CASIA is licensed by the Institute of Automation, Chinese Academy of Sciences: ask there or through http://www.chineseldc.org.
The tree must be <speaker>/<emotion>/<number>.wav, that is wangzhe/angry/201.wav to 250.wav and so on for the speakers
wangzhe, zhaozuoxiang, liuchanhg, zhaoquanyin and the emotions angry, fear, happy, neutral, sad, surprise: 1200 files.
Pass the folder that holds the speakers with --corpus-dir, and its texts, if you have them, with --transcripts FILE."""

    def find_root(self, corpus_dir: Path) -> Path:
        """The folder of the speakers. Raises InputError if no emotion folder lies below `corpus_dir`."""
        if corpus_dir.is_dir() and _is_speaker(corpus_dir):
            raise InputError(f"--corpus-dir {corpus_dir} is one speaker's folder: pass the one above it")
        return find_below(corpus_dir, _has_speakers, "folders <speaker>/<emotion> such as wangzhe/angry")

    def read(self, root: Path, options: dict[str, str]) -> Iterator[Utterance]:
        """Yield the utterances, sorted by path.

        Raises:
            InputError: an unknown emotion folder, a misplaced file, a broken table, a transcript of nothing.
        """
        named = options.get("transcripts")
        transcripts = read_table(Path(named) if named else root / "transcripts.txt", required=bool(named))
        genders = {**_GENDERS, **read_table(root / "speakers.tsv")}
        intensities = read_table(root / "intensities.tsv")
        utterances = [self._describe(path, root, genders, intensities, transcripts) for path in audio_files(root)]
        known = {u.sentence for u in utterances} | {u.id for u in utterances}
        for key in transcripts:
            if key not in known:
                file = named or root / "transcripts.txt"
                raise InputError(
                    f"{file}: {key} is neither a sentence (such as 201) nor an utterance (such as wangzhe-angry-201) "
                    "of the corpus; correct or remove that line"
                )
        yield from utterances

    def _describe(
        self, path: Path, root: Path, genders: dict[str, str], intensities: dict[str, str], transcripts: dict[str, str]
    ) -> Utterance:
        parts = path.relative_to(root).parts
        folders = [part.lower() for part in parts[:-1] if not _TEXT_SETS.search(part)]
        if len(folders) != 2:
            raise InputError(f"{path} is not at <speaker>/<emotion>/<number>{path.suffix}: move it there or remove it")
        speaker, emotion = _ALIASES.get(folders[0], folders[0]), folders[1]
        if emotion not in EMOTIONS:
            known = ", ".join(EMOTIONS)
            raise InputError(f"{path.parent}: unknown emotion folder; rename it to one of {known}, or remove it")
        gender = genders.get(speaker)
        if gender not in _KNOWN_GENDERS:
            raise InputError(f"{root / 'speakers.tsv'}: the gender of {speaker} is {gender}; write F or M")
        own_text = any(part.startswith("不同文本") for part in parts)
        utterance_id = f"{speaker}-{emotion}-{'d' if own_text else ''}{path.stem.lower()}"
        sentence = utterance_id if own_text else path.stem.lower()
        return Utterance(
            id=utterance_id,
            audio=path,
            speaker=speaker,
            gender=_KNOWN_GENDERS[gender],
            language="zh",
            text=transcripts.get(utterance_id, transcripts.get(sentence)),
            sentence=sentence,
            raw={"emotion": emotion, "intensity": intensities.get(utterance_id)},
        )


def _has_speakers(folder: Path) -> bool:
    return any(_is_speaker(below) for below in _folders(folder))


def _is_speaker(folder: Path) -> bool:
    return any(below.name.lower() in EMOTIONS and not _is_foreign(below) for below in _folders(folder))


def _folders(folder: Path) -> Iterator[Path]:
    """The folders in `folder`; text-set folders do not count, but what is in them does."""
    for below in folders(folder):
        if _TEXT_SETS.search(below.name):
            yield from _folders(below)
        else:
            yield below


def _is_foreign(emotion_dir: Path) -> bool:
    """Whether an emotion folder is ESD's or MEAD's, whose emotions have the same names."""
    return any(_FOREIGN.fullmatch(path.stem) for path in emotion_dir.iterdir())

"""ESD in miniature: nested and flat folders, a different encoding for every transcript file, malformed lines."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from seq.corpora.esd import EMOTIONS, MEN, SENTENCES_EACH
from seq.corpora.layouts.studio import MANDARIN, Studio

# Speaker: encoding of the transcript file, and whether the folders are nested.
_SPEAKERS: Final = {
    "0001": ("utf-8", True),
    "0003": ("gb2312", True),
    "0004": ("utf-16", True),
    "0008": ("utf-8-sig", False),
    "0011": ("latin-1", False),
    "0015": ("utf-8", False),
}
_PARTS: Final = {1: "evaluation", 21: "test", 51: "train"}
_ENGLISH: Final = ("He ordered a café latte", "The sun sets over the hills", "We met at the old bridge")
_MANDARIN_WORDS: Final = dict(zip(EMOTIONS, ("中立", "生气", "快乐", "伤心", "惊喜"), strict=True))
_NAMES: Final = dict(zip(EMOTIONS, ("neutral", "angry", "happy", "sad", "surprised"), strict=True))


def write(root: Path, studio: Studio) -> None:
    """90 utterances: 6 speakers, 5 emotions, one sentence each of evaluation, test and train."""
    for speaker, (encoding, nested) in _SPEAKERS.items():
        language = "zh" if speaker <= "0010" else "en"
        lines = []
        for block, emotion in enumerate(EMOTIONS):
            for index, (number, part) in enumerate(_PARTS.items()):
                words = MANDARIN[index] if language == "zh" else _ENGLISH[index].split()
                name = f"{speaker}_{block * SENTENCES_EACH + number:06d}"
                folder = root / speaker / emotion / (part if nested else "")
                gender: Literal["F", "M"] = "M" if speaker in MEN else "F"
                studio.record(folder / f"{name}.wav", speaker, gender, language, words, _NAMES[emotion])
                # Two Mandarin files have Mandarin emotion words, and one English file has blanks for tabs.
                word = _MANDARIN_WORDS[emotion] if speaker in ("0001", "0003") else emotion
                separator = " " if speaker == "0015" else "\t"
                lines.append(separator.join((name, ("" if language == "zh" else " ").join(words), word)))
        if speaker in ("0008", "0015"):
            lines += ["", "the end"]
        (root / speaker / f"{speaker}.txt").write_bytes("\r\n".join(lines).encode(encoding))

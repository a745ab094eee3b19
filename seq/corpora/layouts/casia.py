"""CASIA in miniature: three speakers in the common tree, one in the fuller edition's, folder case as it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from seq.corpora.layouts.studio import MANDARIN, Studio

_FOLDERS: Final = {
    "angry": "angry",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprise": "surprised",
}
_SPEAKERS: Final[dict[str, Literal["F", "M"]]] = {"wangzhe": "M", "ZhaoZuoxiang": "M", "liuchanhg": "F"}
# 205 and 210 are the valid sentences of the protocol loso that a miniature has.
_NUMBERS: Final = ("201", "205", "210")


def write(root: Path, studio: Studio) -> None:
    """72 utterances of 4 speakers, and their transcripts."""
    texts = {number: "".join(words) for number, words in zip(_NUMBERS, MANDARIN, strict=False)}
    for speaker, gender in _SPEAKERS.items():
        for folder, emotion in _FOLDERS.items():
            for number, words in zip(_NUMBERS, MANDARIN, strict=False):
                path = root / speaker / folder / f"{number}.wav"
                studio.record(path, speaker, gender, "zh", words, emotion)
    for folder, emotion in _FOLDERS.items():
        # Sentences that all speakers say, and sentences of one's own.
        for number, words in zip(_NUMBERS, MANDARIN[3:], strict=False):
            text_set = "不同文本100" if number == "201" else "相同文本300"
            words = words if number == "201" else MANDARIN[_NUMBERS.index(number)]
            name = "normal" if folder == "neutral" else folder
            path = root / "Quanyin.Zhao" / text_set / name / f"{number}.wav"
            studio.record(path, "Quanyin.Zhao", "F", "zh", words, emotion)
            if number == "201":
                texts[f"zhaoquanyin-{name}-d201"] = "".join(words)
    (root / "wangzhe/angry/._201.wav").write_bytes(b"Mac OS X")
    lines = "".join(f"{key}\t{text}\n" for key, text in texts.items())
    (root / "transcripts.txt").write_text(lines, encoding="utf-8")

"""The phones of all languages in one alphabet, the IPA, broad: one phone set for a model of several languages.

English (ARPAbet) and Mandarin (pinyin) go through the tables below; German and Polish phones are IPA already. Tones of
Mandarin follow their final as phones of their own, so that its vowels are those of the other languages; the neutral
tone has none. The language of an utterance stays in its supervision.
"""

from __future__ import annotations

import re
from typing import Final

from seq.errors import InputError
from seq.lang.g2p import pronounce

ARPABET: Final = {
    "AA": "ɑː", "AE": "æ", "AH": "ə", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "tʃ", "D": "d", "DH": "ð",
    "EH": "ɛ", "ER": "ɚ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "iː", "JH": "dʒ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔʏ", "P": "p", "R": "r", "S": "s", "SH": "ʃ", "T": "t",
    "TH": "θ", "UH": "ʊ", "UW": "uː", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip  # a table, read by rows
# English and German stops are aspirated where Mandarin's p t k are: b d g of pinyin are voiceless, so p t k here.
INITIALS: Final = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ", "h": "x",
    "j": "tɕ", "q": "tɕʰ", "x": "ɕ", "zh": "ʈʂ", "ch": "ʈʂʰ", "sh": "ʂ", "r": "ʐ", "z": "ts", "c": "tsʰ", "s": "s",
}  # fmt: skip  # a table, read by rows
FINALS: Final = {
    final: tuple(phones.split())
    for final, phones in {
        "a": "a", "o": "ɔ", "e": "ɤ", "ê": "ɛ", "ai": "aɪ", "ei": "eɪ", "ao": "aʊ", "ou": "oʊ", "an": "a n",
        "en": "ə n", "ang": "a ŋ", "eng": "ə ŋ", "er": "ɚ", "i": "i", "ia": "j a", "ie": "j ɛ", "iao": "j aʊ",
        "io": "j ɔ", "iai": "j aɪ",
        "iou": "j oʊ", "iu": "j oʊ", "ian": "j ɛ n", "in": "i n", "iang": "j a ŋ", "ing": "i ŋ", "iong": "j ʊ ŋ",
        "ong": "ʊ ŋ", "u": "u", "ua": "w a", "uo": "w ɔ", "uai": "w aɪ", "uei": "w eɪ", "ui": "w eɪ", "uan": "w a n",
        "uen": "w ə n", "un": "w ə n", "uang": "w a ŋ", "ueng": "w ə ŋ", "v": "y", "ve": "ɥ ɛ", "ue": "ɥ ɛ",
        "van": "ɥ ɛ n", "vn": "y n", "m": "m", "n": "n", "ng": "ŋ", "hm": "h m", "hn": "h n", "hng": "h ŋ",
    }.items()
}  # fmt: skip  # a table, read by rows
# After these, pinyin's i is no [i] but the initial's own buzz.
APICAL: Final = frozenset({"zh", "ch", "sh", "r", "z", "c", "s"})
TONES: Final = {"1": ("˥",), "2": ("˧˥",), "3": ("˨˩˦",), "4": ("˥˩",), "5": ()}
_TONED: Final = re.compile(r"([a-zê]+)([1-5])")


def pronounce_ipa(text: str, language: str) -> list[tuple[str, list[str]]]:
    """The words of `text` with their phones in the IPA; raises InputError as `seq.lang.g2p.pronounce` does."""
    return [(word, to_ipa(phones, language)) for word, phones in pronounce(text, language)]


def to_ipa(phones: list[str], language: str) -> list[str]:
    """Phones of one word, as `seq.lang.g2p` writes them, in the IPA. Raises InputError for one without an entry."""
    family = language.replace("_", "-").split("-")[0].lower()
    if family in ("de", "pl"):
        return list(phones)
    result: list[str] = []
    for i, phone in enumerate(phones):
        found = _arpabet(phone) if family == "en" else _pinyin(phone, phones[i - 1] if i else "")
        if found is None:
            raise InputError(f"phone {phone!r} of language {language!r} has no IPA: add it to seq/lang/ipa.py")
        result += found
    return result


def _arpabet(phone: str) -> list[str] | None:
    return [ARPABET[phone]] if phone in ARPABET else None


def _pinyin(phone: str, before: str) -> list[str] | None:
    if phone in INITIALS:
        return [INITIALS[phone]]
    toned = _TONED.fullmatch(phone)
    if toned is None or toned[1] not in FINALS:
        return None
    final = ("ɨ",) if toned[1] == "i" and before in APICAL else FINALS[toned[1]]
    return [*final, *TONES[toned[2]]]

"""Mandarin text to initials and toned finals by pypinyin: 你好 -> n i3 h ao3.

The neutral tone is 5, ü is written v, and a syllable without an initial is its final alone (爱 -> ai4; y and w are
spelling, not initials). A character with several readings takes the one that its sentence asks for. Third-tone sandhi
is left to the acoustic model, as pypinyin leaves it (你好 stays i3 ao3).
"""

from __future__ import annotations

import re
from typing import Final

from seq.errors import InputError

_PUNCTUATION: Final = re.compile(r"""[\s，。、；：！？“”‘’（）《》〈〉【】…—～·,.;:!?"'()\[\]\-~]+""")
_HAN: Final = re.compile(r"[〇㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff]")


def pronounce(text: str) -> list[tuple[str, list[str]]]:
    """The characters of `text`, each with its phones.

    Raises:
        InputError: a character is neither Han nor punctuation (a digit, a Latin letter), or pypinyin does not know it.
    """
    from pypinyin import Style, lazy_pinyin

    # Punctuation bounds the phrases by which pypinyin picks a reading, so it goes in phrase by phrase.
    result: list[tuple[str, list[str]]] = []
    for phrase in _PUNCTUATION.split(text):
        for character in phrase:
            if not _HAN.fullmatch(character):
                raise InputError(
                    f"cannot pronounce {character!r} in the Mandarin text {text!r}: "
                    "write digits and Latin letters as Han characters"
                )
        initials = lazy_pinyin(phrase, Style.INITIALS, strict=True)
        finals = lazy_pinyin(phrase, Style.FINALS_TONE3, strict=True, neutral_tone_with_five=True)
        syllables = lazy_pinyin(phrase, Style.TONE3, neutral_tone_with_five=True)
        if len(syllables) != len(phrase):
            raise InputError(f"pypinyin does not read the Mandarin text {text!r} character by character")
        for character, initial, final, syllable in zip(phrase, initials, finals, syllables, strict=True):
            if not syllable.isascii():
                raise InputError(f"pypinyin has no reading for {character!r} in the Mandarin text {text!r}: replace it")
            # Syllabic nasals (嗯 n2) have neither initial nor final in pypinyin.
            result.append((character, [phone for phone in (initial, final) if phone and final] or [syllable]))
    return result

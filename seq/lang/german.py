"""German text to IPA phones by espeak-ng (voice de), word by word, without stress.

espeak-ng writes allophones and its own letters; the table below maps them onto the phones of a pronouncing dictionary:
one r for its tap and trill, ɐ for the vowel of -er, ɔʏ for eu. Long and short vowels stay apart. The nasal vowels and
the English diphthong of loan words go to their German neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from seq.errors import InputError
from seq.lang import espeak

# The phonemes of espeak-ng's voice de (1.52), found by having it read some 230 words that cover German spelling and
# common loan words, and what we write for them.
_IPA_TO_PHONES: Final[dict[str, tuple[str, ...]]] = {
    ipa: tuple(phones.split())
    for ipa, phones in {
        # vowels
        "a": "a", "ɑː": "aː", "ɑ": "a", "ɐ": "ɐ", "ɜ": "ɐ", "ə": "ə", "ɛ": "ɛ", "e": "ɛ", "ɛː": "ɛː", "eː": "eː",
        "ɪ": "ɪ", "i": "ɪ", "iː": "iː", "ɔ": "ɔ", "ɒ": "ɔ", "o": "ɔ", "oː": "oː", "œ": "œ", "øː": "øː", "ø": "œ",
        "ʊ": "ʊ", "u": "ʊ", "uː": "uː", "ʏ": "ʏ", "y": "ʏ", "yː": "yː", "aɪ": "aɪ", "aʊ": "aʊ", "ɔø": "ɔʏ", "ɔɪ": "ɔʏ",
        # vowels of loan words: Restaurant, Saison, Teint, Baby
        "ɑ̃": "a ŋ", "ɔ̃": "ɔ ŋ", "œ̃": "œ ŋ", "ɛ̃": "ɛ ŋ", "eɪ": "eː",
        # consonants; ʔ, the glottal stop, is not written
        "b": "b", "ç": "ç", "d": "d", "dʒ": "d ʒ", "f": "f", "ɡ": "ɡ", "g": "ɡ", "h": "h", "j": "j", "k": "k", "l": "l",
        "m": "m", "n": "n", "ŋ": "ŋ", "p": "p", "pf": "pf", "r": "r", "ɾ": "r", "ɹ": "r", "ʁ": "r", "s": "s", "ʃ": "ʃ",
        "t": "t", "ts": "ts", "tʃ": "t ʃ", "v": "v", "w": "v", "x": "x", "z": "z", "ʒ": "ʒ", "θ": "s", "ð": "z",
    }.items()
}  # fmt: skip
PHONES: Final = tuple(sorted({phone for phones in _IPA_TO_PHONES.values() for phone in phones}))
# Words that espeak-ng misreads (here s + ch for s + sch), as a dictionary has them.
_EXCEPTIONS: Final = {"eisschrank": ("aɪ", "s", "ʃ", "r", "a", "ŋ", "k")}
# Stress, length that was not matched above, nasalisation, syllabicity, the glottal stop.
_IGNORED: Final = "ˈˌː\u0303\u0329ʔ-"
_PUNCTUATION: Final = re.compile(r"""[\s.,;:!?"“”„()\[\]…–—\-/]+""")
_APOSTROPHES: Final = str.maketrans("’‘‚ʼ", "''''")
_WORD: Final = re.compile(r"[a-zäöüßàâçéèêëîïôûñ']+")


def pronounce(text: str) -> list[tuple[str, list[str]]]:
    """The words of `text`, in capitals, each with its phones.

    Raises:
        InputError: as `split_words`; espeak-ng is not installed, or cannot read a word.
    """
    # ß has no capital that everyone writes, and upper() would make it SS.
    return [(word.replace("ß", "ẞ").upper(), list(_word_phones(word))) for word in split_words(text)]


def split_words(text: str) -> list[str]:
    """The words of `text` in small letters. Raises InputError where one holds a character that is no letter."""
    result = []
    plain = unicodedata.normalize("NFC", text).translate(_APOSTROPHES).lower()
    for written in _PUNCTUATION.split(plain):
        # 'hallo' in quotation marks; espeak-ng reads the apostrophe of ich's.
        word = written.strip("'")
        if not word:
            continue
        if not _WORD.fullmatch(word):
            raise InputError(f"cannot pronounce {word!r} in the German text {text!r}: spell it out in letters")
        result.append(word)
    return result


@lru_cache(maxsize=100_000)
def _word_phones(word: str) -> tuple[str, ...]:
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    phones = espeak.word_phones(word, "de", _IPA_TO_PHONES, _IGNORED)
    if not phones:
        raise InputError(f"no pronunciation for the German word {word!r}: spell it otherwise")
    return phones

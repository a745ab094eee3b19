"""Words of a language that espeak-ng pronounces: finding them in a text, and their phones in the IPA, without stress.

espeak-ng writes allophones and its own letters; each language has a table that maps them onto the phones of a
pronouncing dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from seq.errors import InputError
from seq.lang import espeak

_PUNCTUATION: Final = re.compile(r"""[\s.,;:!?"“”„()\[\]…–—\-/]+""")
_APOSTROPHES: Final = str.maketrans("’‘‚ʼ", "''''")


@dataclass(frozen=True)
class EspeakLanguage:
    """How a language is read; one object per language, since it remembers the words that it has read."""

    # In English, for messages.
    name: str
    # What espeak-ng calls it.
    voice: str
    # The small letters that its words are written in.
    letters: str
    # From espeak-ng's phonemes, without stress, to phones.
    table: Mapping[str, tuple[str, ...]]
    # Characters of phonemes that count for nothing where the table has no longer match, such as the glottal stop.
    ignored: str
    # Words that espeak-ng misreads.
    exceptions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # What is left to do to the phones of a word.
    finish: Callable[[tuple[str, ...]], tuple[str, ...]] = tuple
    # Read espeak-ng's own names of phonemes instead of the IPA.
    mnemonics: bool = False
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, compare=False)

    @cached_property
    def phones(self) -> tuple[str, ...]:
        """All phones that `pronounce` may give, sorted."""
        pieces = [*self.table.values(), *self.exceptions.values()]
        return tuple(sorted({phone for phones in pieces for phone in self.finish(phones)}))

    def pronounce(self, text: str) -> list[tuple[str, list[str]]]:
        """The words of `text`, in capitals, each with its phones.

        Raises:
            InputError: as `split_words`; espeak-ng is not installed, or cannot read a word.
        """
        # ß has no capital that everyone writes, and upper() would make it SS.
        return [(word.replace("ß", "ẞ").upper(), list(self._word_phones(word))) for word in self.split_words(text)]

    def split_words(self, text: str) -> list[str]:
        """The words of `text` in small letters. Raises InputError where one holds a character that is no letter."""
        result = []
        plain = unicodedata.normalize("NFC", text).translate(_APOSTROPHES).lower()
        for written in _PUNCTUATION.split(plain):
            # 'hallo' in quotation marks; espeak-ng reads the apostrophe of ich's.
            word = written.strip("'")
            if not word:
                continue
            if not set(word) <= set(self.letters):
                raise InputError(f"cannot pronounce {word!r} in the {self.name} text {text!r}: spell it out in letters")
            result.append(word)
        return result

    def _word_phones(self, word: str) -> tuple[str, ...]:
        if word in self.exceptions:
            return self.exceptions[word]
        if word not in self._known:
            phones = self.finish(espeak.word_phones(word, self.voice, self.table, self.ignored, self.mnemonics))
            if not phones:
                raise InputError(f"no pronunciation for the {self.name} word {word!r}: spell it otherwise")
            self._known[word] = phones
        return self._known[word]


def phone_table(table: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """A table whose phones are written with blanks between them, as tuples."""
    return {symbol: tuple(phones.split()) for symbol, phones in table.items()}

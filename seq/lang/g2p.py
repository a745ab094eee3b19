"""Text to phones, by language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from seq.errors import InputError
from seq.lang import english, mandarin
from seq.lang.german import GERMAN
from seq.lang.polish import POLISH


class _Language(NamedTuple):
    """How a language is pronounced, and the first step of that: finding words in the text, or refusing it.

    Where the rest may need a package that is not installed, the first step does not.
    """

    pronounce: Callable[[str], list[tuple[str, list[str]]]]
    split: Callable[[str], Sequence[object]]


_MANDARIN: Final = _Language(mandarin.pronounce, mandarin.pronounce)
_LANGUAGES: Final = {
    "de": _Language(GERMAN.pronounce, GERMAN.split_words),
    "en": _Language(english.pronounce, english.split_words),
    "pl": _Language(POLISH.pronounce, POLISH.split_words),
    "zh": _MANDARIN,
    "cmn": _MANDARIN,
}


def is_speakable(text: str, language: str) -> bool:
    """Whether `pronounce` takes `text`, wherever the packages that it needs are installed."""
    try:
        return bool(_find(language).split(text))
    except InputError:
        return False


def pronounce(text: str, language: str) -> list[tuple[str, list[str]]]:
    """The words of `text` with their phones; `language` is a BCP 47 tag, of which the first part counts.

    Raises:
        InputError: the language has no G2P here, a word cannot be pronounced, or nothing is left of the text.
    """
    words = _find(language).pronounce(text)
    if not words:
        raise InputError(f"the text {text!r} holds no word: leave it out (None) to mask the phone task")
    return words


def _find(language: str) -> _Language:
    found = _LANGUAGES.get(language.replace("_", "-").split("-")[0].lower())
    if found is None:
        raise InputError(
            f"no phones for language {language!r}: there is a G2P for English (en), German (de), Mandarin (zh) and "
            "Polish (pl); set lang.unit to char or bpe, or leave the text out (None) to mask the phone task"
        )
    return found


def g2p(text: str, language: str) -> list[str]:
    """The phones of `text` in order. Raises InputError as `pronounce` does."""
    return [phone for _, phones in pronounce(text, language) for phone in phones]

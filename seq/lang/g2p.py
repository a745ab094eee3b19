"""Text to phones, by language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from seq.errors import InputError
from seq.lang import english, german, mandarin

_PRONOUNCE: Final[dict[str, Callable[[str], list[tuple[str, list[str]]]]]] = {
    "de": german.pronounce,
    "en": english.pronounce,
    "zh": mandarin.pronounce,
    "cmn": mandarin.pronounce,
}


def pronounce(text: str, language: str) -> list[tuple[str, list[str]]]:
    """The words of `text` with their phones; `language` is a BCP 47 tag, of which the first part counts.

    Raises:
        InputError: the language has no G2P here, a word cannot be pronounced, or nothing is left of the text.
    """
    function = _PRONOUNCE.get(language.replace("_", "-").split("-")[0].lower())
    if function is None:
        raise InputError(
            f"no phones for language {language!r}: there is a G2P for English (en), German (de) and Mandarin (zh); "
            "set lang.unit to char or bpe, or leave the text out (None) to mask the phone task"
        )
    words = function(text)
    if not words:
        raise InputError(f"the text {text!r} holds no word: leave it out (None) to mask the phone task")
    return words


def g2p(text: str, language: str) -> list[str]:
    """The phones of `text` in order. Raises InputError as `pronounce` does."""
    return [phone for _, phones in pronounce(text, language) for phone in phones]

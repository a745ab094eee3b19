"""One phone set over languages: every phone of every G2P has its IPA, and the languages share some."""

from __future__ import annotations

import itertools

import pytest
from pypinyin import Style, lazy_pinyin
from pypinyin.constants import PINYIN_DICT

from seq.errors import InputError
from seq.lang import english
from seq.lang.german import GERMAN
from seq.lang.ipa import to_ipa
from seq.lang.polish import POLISH


def test_every_phone_has_an_entry() -> None:
    for phone in english.PHONES:
        assert len(to_ipa([phone], "en-us")) == 1
    for phone in GERMAN.phones:
        assert to_ipa([phone], "de") == [phone]
    for phone in POLISH.phones:
        assert to_ipa([phone], "pl") == [phone]


def test_every_character_of_pypinyin_has_an_entry() -> None:
    # One common character per reading would do; taking all of the basic block is quick enough.
    characters = [chr(code) for code in itertools.islice(sorted(PINYIN_DICT), 0, None, 25) if 0x4E00 <= code <= 0x9FFF]
    assert len(characters) > 500
    for character in characters:
        initial = lazy_pinyin(character, Style.INITIALS, strict=True)[0]
        final = lazy_pinyin(character, Style.FINALS_TONE3, strict=True, neutral_tone_with_five=True)[0]
        phones = [phone for phone in (initial, final) if phone and final]
        if phones:
            assert to_ipa(phones, "zh"), character


@pytest.mark.parametrize(
    ("phones", "language", "expected"),
    [
        (["n", "i3"], "zh", ["n", "i", "˨˩˦"]),
        (["h", "ao3"], "zh", ["x", "aʊ", "˨˩˦"]),
        (["sh", "i4"], "cmn", ["ʂ", "ɨ", "˥˩"]),
        (["x", "ian1"], "zh", ["ɕ", "j", "ɛ", "n", "˥"]),
        (["d", "e5"], "zh", ["t", "ɤ"]),
        (["K", "IH", "D", "Z"], "en", ["k", "ɪ", "d", "z"]),
        (["ʃ", "aɪ", "n"], "de-DE", ["ʃ", "aɪ", "n"]),
    ],
)
def test_examples(phones: list[str], language: str, expected: list[str]) -> None:
    assert to_ipa(phones, language) == expected


def test_languages_share_phones_and_unknown_ones_are_named() -> None:
    english_set = {phone for phone in english.PHONES for phone in to_ipa([phone], "en")}
    assert len(english_set & set(GERMAN.phones)) > 20 < len(english_set & set(POLISH.phones))
    with pytest.raises(InputError, match="'Q9' of language 'en'"):
        to_ipa(["Q9"], "en")

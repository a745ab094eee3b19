"""Polish text to IPA phones by espeak-ng (voice pl), word by word, without stress.

The table reads espeak-ng's own names of phonemes, since its IPA has one symbol for dz and dź. A consonant softened
before a vowel is written with j (pies: p j ɛ s), before i as it is; ą and ę are nasal vowels where nothing stops the
mouth, and vowel and nasal elsewhere; sz, ż, cz and dż are written ʃ ʒ tʃ dʒ, as their neighbours in English and German.
"""

from __future__ import annotations

from typing import Final

from seq.lang.espeak_words import EspeakLanguage, phone_table

_SOFT: Final = "ʲ"


def _spell_out_softness(phones: tuple[str, ...]) -> tuple[str, ...]:
    """j for a softness that can be heard as one; ɲ and what stands before i are soft already."""
    result: list[str] = []
    for index, phone in enumerate(phones):
        if phone != _SOFT:
            result.append(phone)
        elif result and result[-1] != "ɲ" and phones[index + 1 : index + 2] != ("i",):
            result.append("j")
    return tuple(result)


POLISH: Final = EspeakLanguage(
    name="Polish",
    voice="pl",
    letters="aąbcćdeęfghijklłmnńoópqrsśtuvwxyzźż'",
    # The phonemes of espeak-ng's voice pl (1.52), found by having it read the 395 words of nEMO's sentences and some
    # 100 that cover Polish spelling and common loan words.
    table=phone_table({
        # vowels
        "a": "a", "a#": "a", "E": "ɛ", "E#": "ɛ", "i": "i", "O": "ɔ", "u": "u", "y": "ɨ", "E~": "ɛ̃", "O~": "ɔ̃",
        # consonants; espeak-ng's ; softens what stands before it
        "b": "b", "C": "x", "d": "d", "d;": "d ʲ", "dz": "dz", "dz;": "dʑ", "dZ": "dʒ", "f": "f", "g": "ɡ", "j": "j",
        "k": "k", "l": "l", "m": "m", "n": "n", "N": "ŋ", "n^": "ɲ", "p": "p", "Q": "x", "R": "r", "s": "s", "S": "ʃ",
        "S;": "ɕ", "t": "t", "t;": "t ʲ", "ts": "ts", "ts;": "tɕ", "tS": "tʃ", "v": "v", "w": "w", "x": "x", "z": "z",
        "Z": "ʒ", "Z;": "ʑ", ";": "ʲ",
    }),
    ignored=":-",
    # espeak-ng gives these prepositions the names of their letters.
    exceptions={"w": ("v",), "z": ("z",)},
    finish=_spell_out_softness,
    mnemonics=True,
)  # fmt: skip  # a table, read by rows

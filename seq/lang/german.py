"""German text to IPA phones by espeak-ng (voice de), word by word, without stress.

One r for its tap and trill, ɐ for the vowel of -er, ɔʏ for eu. Long and short vowels stay apart. The nasal vowels and
the English diphthong of loan words go to their German neighbours.
"""

from __future__ import annotations

from typing import Final

from seq.lang.espeak_words import EspeakLanguage, phone_table

GERMAN: Final = EspeakLanguage(
    name="German",
    voice="de",
    letters="abcdefghijklmnopqrstuvwxyzäöüßàâçéèêëîïôûñ'",
    # The phonemes of espeak-ng's voice de (1.52), found by having it read some 230 words that cover German spelling and
    # common loan words, and what we write for them.
    table=phone_table({
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
    }),
    # Stress, length that was not matched above, nasalisation, syllabicity, the glottal stop.
    ignored="ˈˌː\u0303\u0329ʔ-",
    # Here s + ch for s + sch.
    exceptions={"eisschrank": ("aɪ", "s", "ʃ", "r", "a", "ŋ", "k")},
)  # fmt: skip  # a table, read by rows

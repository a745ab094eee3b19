"""Phones: text to phones by language, the token table, the lexicon."""

from seq.lang.g2p import g2p
from seq.lang.lexicon import prepare_lang, read_transcripts
from seq.lang.tokens import TokenTable

__all__ = ["TokenTable", "g2p", "prepare_lang", "read_transcripts"]

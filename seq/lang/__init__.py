"""Text to phones by language, the token table, the lexicon."""

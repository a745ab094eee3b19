"""The token table of the CTC branch: `tokens.txt`, one "symbol id" per line, as icefall reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from seq.errors import InputError
from seq.utils.files import write_text

BLANK = "<blk>"
# What the lexicon says for a word that it does not know (icefall's spoken noise).
SPOKEN_NOISE = "SPN"
# What a table of letters or of pieces has for what the train text lacks.
UNKNOWN = "<unk>"


class TokenTable:
    """Symbols and their ids, which are 0 ... len - 1; the blank is 0."""

    def __init__(self, symbols: Sequence[str]) -> None:
        """Raises InputError unless the first symbol is the blank and no symbol is repeated or empty."""
        if not symbols or symbols[0] != BLANK:
            raise InputError(f"a token table must begin with {BLANK}")
        if len(set(symbols)) != len(symbols) or not all(symbols):
            raise InputError("a token table has an empty or a repeated symbol")
        self.symbols = tuple(symbols)
        self._ids = {symbol: i for i, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def from_phones(cls, phones: Iterable[str]) -> TokenTable:
        """The blank, then the phones, sorted."""
        return cls([BLANK, *sorted(set(phones))])

    @classmethod
    def read(cls, path: Path | str) -> TokenTable:
        """Read tokens.txt. Raises InputError naming the file if it is missing or not a table of consecutive ids."""
        symbols: list[str] = []
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read as a token table: run stage 4 (lang) again") from error
        for number, line in enumerate(lines):
            fields = line.split()
            if len(fields) != 2 or fields[1] != str(number):
                raise InputError(f"{path}, line {number + 1}: expected 'symbol {number}'; run stage 4 (lang) again")
            symbols.append(fields[0])
        try:
            return cls(symbols)
        except InputError as error:
            raise InputError(f"{path}: {error}; run stage 4 (lang) again") from error

    def write(self, path: Path | str) -> None:
        """Write tokens.txt atomically."""
        write_text(path, "".join(f"{symbol} {i}\n" for i, symbol in enumerate(self.symbols)))

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """Symbols to ids. Raises InputError for a symbol that is not in the table, unless that has `UNKNOWN`."""
        unknown = self._ids.get(UNKNOWN)
        if unknown is not None:
            return [self._ids.get(token, unknown) for token in tokens]
        try:
            return [self._ids[token] for token in tokens]
        except KeyError as error:
            raise InputError(f"token {error.args[0]} is not in the token table: run stage 4 (lang) again") from error

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Ids to symbols."""
        return [self.symbols[i] for i in ids]

"""Transcripts as corpora deliver them: files in whatever encoding."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

from seq.errors import InputError

# What a file is in when it is not UTF-8; GB 18030 contains GB 2312, Windows-1252 most of Latin-1.
_LEGACY: Final = {"zh": ("gb18030",), "en": ("cp1252", "latin-1"), "de": ("cp1252", "latin-1")}


def read_lines(path: Path, language: str) -> list[str]:
    """The lines of a text file: UTF-16 or UTF-8, or what `language` was written in before (line by line, if need be).

    Raises:
        InputError: the file cannot be read, or a line is in none of these encodings; it is named.
    """
    data = read_bytes(path)
    wide = _utf16(data)
    for encoding in (wide,) if wide else ("utf-8-sig", *_LEGACY[language]):
        try:
            return data.decode(encoding).splitlines()
        except UnicodeDecodeError as error:
            if wide:
                number = data[: error.start].decode(wide, errors="ignore").count("\n") + 1
                raise InputError(f"{path}, line {number} is not UTF-16 as the rest is: correct it") from error
    return [_decode_line(path, number, line, language) for number, line in enumerate(data.splitlines(), start=1)]


def read_bytes(path: Path) -> bytes:
    """What a file of a corpus holds. Raises InputError where it cannot be read, or is a folder or a pipe."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file: copy it again")
    try:
        return path.read_bytes()
    except OSError as error:
        way_out = "change its permissions" if path.exists() else "copy it from the corpus's page, or name the right one"
        raise InputError(f"{path} cannot be read ({error.strerror}): {way_out}") from error


def _decode_line(path: Path, number: int, line: bytes, language: str) -> str:
    for encoding in ("utf-8-sig", *_LEGACY[language]):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    tried = " nor ".join(("UTF-8", *_LEGACY[language]))
    raise InputError(f"{path}, line {number} is neither {tried}: correct it or remove it")


def _utf16(data: bytes) -> str | None:
    """Which UTF-16 `data` is in, if it is: by its byte order mark, or by the zeros that Latin letters leave."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" not in data:
        return None
    return "utf-16-le" if data[1::2].count(0) >= data[0::2].count(0) else "utf-16-be"

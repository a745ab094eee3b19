"""Texts of users that become names of files: ids of utterances, names of corpora and protocols."""

from __future__ import annotations

import unicodedata
from typing import Final

# Linux's limits.
SYSTEM_MAX_BYTES, SYSTEM_MAX_PATH_BYTES = 255, 4095
# More is added to these: `<id>.npy`, `<corpus>_cuts.jsonl.gz`.
MAX_BYTES: Final = 200


def wrong_name(name: str) -> str | None:
    """Why no file can be called so, as the end of a sentence; None where it can."""
    if wrong := wrong_characters(name):
        return wrong
    if not name or "/" in name or "\\" in name:
        return "has a slash" if name else "is empty"
    if name.startswith("."):
        return "begins with a dot"
    size = len(name.encode("utf-8"))
    return f"has {size} bytes, and {MAX_BYTES} at most can name a file" if size > MAX_BYTES else None


def wrong_path(path: str) -> str | None:
    """Why nothing can lie at a path, or no line can name it, as the end of a sentence; None where it can."""
    if wrong := wrong_characters(path):
        return wrong
    sizes = [len(part.encode("utf-8")) for part in path.split("/")]
    if max(sizes) > SYSTEM_MAX_BYTES or sum(sizes) + len(sizes) > SYSTEM_MAX_PATH_BYTES:
        return "is longer than the system allows"
    return None


def wrong_characters(text: str) -> str | None:
    """Why a text, or a path, cannot stand in a line of a file, as the end of a sentence; None where it can."""
    if not is_utf8(text):
        return "is not UTF-8"
    has_control = any(unicodedata.category(character) == "Cc" for character in text)
    return "has a control character (such as a line break)" if has_control else None


def is_utf8(text: str) -> bool:
    """Whether a text can be written; a path whose bytes are not UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

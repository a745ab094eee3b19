"""The file `text` of the lang folder: what every utterance that has text is spelt as."""

from __future__ import annotations

from pathlib import Path

from seq.errors import InputError


def read_transcripts(lang_dir: Path | str) -> dict[str, list[str]]:
    """The phones of every utterance that has text, by utterance id. Raises InputError if `text` cannot be read."""
    path = Path(lang_dir) / "text"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: run stage 4 (lang) again") from error
    return {fields[0]: fields[1:] for fields in (line.split() for line in lines)}

"""Stage 4: the lang folder, in icefall's formats, from the texts of a corpus.

    tokens.txt   "<blk> 0", then the phones, sorted
    words.txt    "<eps> 0", the words, "<UNK>", "#0", "<s>", "</s>"
    lexicon.txt  "word phone phone ...", one line per pronunciation that occurs; "<UNK> SPN"
    text         "utterance-id phone phone ...", one line per utterance that has text

Words are English words in capitals, or Mandarin characters; a character with several readings has several lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from seq.errors import InputError
from seq.files import atomic_path, read_jsonl, write_text
from seq.lang.g2p import pronounce
from seq.lang.tokens import SPOKEN_NOISE, TokenTable

UNKNOWN_WORD = "<UNK>"


def prepare_lang(cuts_path: Path | str, lang_dir: Path | str) -> int:
    """Write the lang folder for the cuts of `cuts_path` (jsonl.gz), reading them one by one.

    Returns the number of utterances that have text. Where it is 0, the token table holds the blank alone.

    Raises:
        InputError: the cuts cannot be read, or a text cannot be pronounced.
    """
    lang_dir = Path(lang_dir)
    lang_dir.mkdir(parents=True, exist_ok=True)
    lexicon: set[tuple[str, tuple[str, ...]]] = set()
    num_texts = 0
    # Actors of one corpus say the same sentences again and again.
    pronounce_cached = lru_cache(maxsize=10_000)(pronounce)
    with atomic_path(lang_dir / "text") as temporary, open(temporary, "w", encoding="utf-8") as file:
        for utterance_id, text, language in _read_texts(cuts_path):
            try:
                words = pronounce_cached(text, language)
            except InputError as error:
                raise InputError(f"utterance {utterance_id}: {error}") from error
            phones = [phone for _, pronunciation in words for phone in pronunciation]
            lexicon.update((word, tuple(pronunciation)) for word, pronunciation in words)
            file.write(f"{utterance_id} {' '.join(phones)}\n")
            num_texts += 1
    phones_seen = {phone for _, pronunciation in lexicon for phone in pronunciation}
    if num_texts:
        lexicon.add((UNKNOWN_WORD, (SPOKEN_NOISE,)))
        phones_seen.add(SPOKEN_NOISE)
    words_seen = sorted({word for word, _ in lexicon} - {UNKNOWN_WORD})
    unknown = [UNKNOWN_WORD] if num_texts else []
    table = ["<eps>", *words_seen, *unknown, "#0", "<s>", "</s>"]
    write_text(lang_dir / "words.txt", "".join(f"{word} {i}\n" for i, word in enumerate(table)))
    write_text(lang_dir / "lexicon.txt", "".join(f"{word} {' '.join(phones)}\n" for word, phones in sorted(lexicon)))
    TokenTable.from_phones(phones_seen).write(lang_dir / "tokens.txt")
    return num_texts


def read_transcripts(lang_dir: Path | str) -> dict[str, list[str]]:
    """The phones of every utterance that has text, by utterance id. Raises InputError if `text` cannot be read."""
    path = Path(lang_dir) / "text"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: run stage 4 (lang) again") from error
    return {fields[0]: fields[1:] for fields in (line.split() for line in lines)}


def _read_texts(cuts_path: Path | str) -> Iterator[tuple[str, str, str]]:
    """Yield (utterance id, text, language) of the supervisions that have text."""
    for cut in read_jsonl(cuts_path):
        try:
            utterance_id, supervision = cut["id"], cut["supervisions"][0]
        except (KeyError, IndexError) as error:
            raise InputError(f"{cuts_path}: a cut lacks id or supervision; run stage 1 (manifests) again") from error
        text = (supervision.get("text") or "").strip()
        if text:
            yield utterance_id, text, supervision.get("language") or ""

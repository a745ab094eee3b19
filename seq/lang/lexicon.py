"""Stage 4: the lang folder, in icefall's formats, from the texts of a corpus.

    tokens.txt   "<blk> 0", then the phones, sorted
    words.txt    "<eps> 0", the words, "<UNK>", "#0", "<s>", "</s>"
    lexicon.txt  "word phone phone ...", one line per pronunciation that occurs; "<UNK> SPN"
    text         "utterance-id phone phone ...", one line per utterance that has text
    L.pt         the lexicon as a transducer from phones to words, where k2 imports (by local/prepare_lang.py)
    unit         "phone"

Words are English words in capitals, or Mandarin characters; a character with several readings has several lines.
Where lang.unit is char or bpe, no G2P is asked: the lexicon spells words in letters, `text` holds the words, and
`unit` says "word"; the letters and pieces that a fold is trained on are made from its train part (`seq.lang.units`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from seq.errors import InputError
from seq.lang.g2p import pronounce
from seq.lang.ipa import pronounce_ipa
from seq.lang.tokens import SPOKEN_NOISE, UNKNOWN, TokenTable
from seq.lang.units import PHONE_UNITS, normalise_text
from seq.utils.files import atomic_path, read_jsonl, write_text

UNKNOWN_WORD = "<UNK>"
TRANSDUCER = "L.pt"


def prepare_lang(cuts_path: Path | str, lang_dir: Path | str, unit: str = "phone") -> int:
    """Write the lang folder of a unit (phone, ipa, char, bpe) for the cuts of `cuts_path`, reading them one by one.

    With the unit "ipa", the phones of every language are written in one alphabet (`seq.lang.ipa`).

    Returns the number of utterances that have text. Where it is 0, the token table holds the blank alone.

    Raises:
        InputError: the cuts cannot be read, or a text cannot be pronounced.
    """
    lang_dir = Path(lang_dir)
    lang_dir.mkdir(parents=True, exist_ok=True)
    lexicon: set[tuple[str, tuple[str, ...]]] = set()
    num_texts = 0
    pronounce_cached = _speller(unit)
    with atomic_path(lang_dir / "text") as temporary, open(temporary, "w", encoding="utf-8") as file:
        for utterance_id, text, language in _read_texts(cuts_path):
            try:
                words = pronounce_cached(text, language)
            except InputError as error:
                raise InputError(f"utterance {utterance_id}: {error}") from error
            phones = [phone for _, pronunciation in words for phone in pronunciation]
            transcript = phones if unit in PHONE_UNITS else [word for word, _ in words]
            lexicon.update((word, tuple(pronunciation)) for word, pronunciation in words)
            file.write(f"{utterance_id} {' '.join(transcript)}\n")
            num_texts += 1
    phones_seen = {phone for _, pronunciation in lexicon for phone in pronunciation}
    if num_texts:
        unknown = SPOKEN_NOISE if unit in PHONE_UNITS else UNKNOWN
        lexicon.add((UNKNOWN_WORD, (unknown,)))
        phones_seen.add(unknown)
    words_seen = sorted({word for word, _ in lexicon} - {UNKNOWN_WORD})
    # icefall's graph compiler wants the unknown word in any case.
    table = ["<eps>", *words_seen, UNKNOWN_WORD, "#0", "<s>", "</s>"]
    write_text(lang_dir / "words.txt", "".join(f"{word} {i}\n" for i, word in enumerate(table)))
    write_text(lang_dir / "lexicon.txt", "".join(f"{word} {' '.join(phones)}\n" for word, phones in sorted(lexicon)))
    tokens = TokenTable.from_phones(phones_seen)
    tokens.write(lang_dir / "tokens.txt")
    write_text(lang_dir / "unit", "phone\n" if unit in PHONE_UNITS else "word\n")
    # What an earlier lexicon left; icefall caches its inverse.
    for name in (TRANSDUCER, "Linv.pt"):
        (lang_dir / name).unlink(missing_ok=True)
    return num_texts


def prepare_known_lang(
    cuts_path: Path | str, lang_dir: Path | str, unit: str, tokens: Sequence[str]
) -> tuple[int, int, str]:
    """Write the lang folder of a network that was trained before: its tokens, and the texts that they can spell.

    Returns how many texts they spell, how many they do not, and why not the first of these. Pieces (bpe) spell none:
    the model that finds them does not come with a network.

    Raises:
        InputError: the cuts cannot be read.
    """
    lang_dir = Path(lang_dir)
    spell, known = _speller(unit), set(tokens)
    num_spelt, num_others, reason = 0, 0, ""
    with atomic_path(lang_dir / "text") as temporary, open(temporary, "w", encoding="utf-8") as file:
        for utterance_id, text, language in _read_texts(cuts_path):
            try:
                if unit == "bpe":
                    raise InputError("the model spells pieces of words (bpe)")
                words = spell(text, language)
                phones = [phone for _, pronunciation in words for phone in pronunciation]
                if unit in PHONE_UNITS and not known.issuperset(phones):
                    raise InputError(f"the model has no {', '.join(sorted({*phones} - known))}")
            except InputError as error:
                num_others += 1
                reason = reason or f"utterance {utterance_id}: {error}"
                continue
            transcript = phones if unit in PHONE_UNITS else [word for word, _ in words]
            file.write(f"{utterance_id} {' '.join(transcript)}\n")
            num_spelt += 1
    TokenTable(tokens).write(lang_dir / "tokens.txt")
    write_text(lang_dir / "unit", "phone\n" if unit in PHONE_UNITS else "word\n")
    return num_spelt, num_others, reason


def _speller(unit: str) -> Callable[[str, str], list[tuple[str, list[str]]]]:
    """From a text and its language to words and what spells them, remembered: actors repeat their sentences."""
    return lru_cache(maxsize=10_000)(pronounce if unit == "phone" else pronounce_ipa if unit == "ipa" else _spell)


def _spell(text: str, language: str) -> list[tuple[str, list[str]]]:
    words = normalise_text(text)
    if not words:
        raise InputError(f"the text {text!r} ({language}) holds no word: leave it out (None) to mask the phone task")
    return [(word, list(word)) for word in words]


def read_lexicon_arcs(lang_dir: Path) -> list[tuple[int, int, int, int]]:
    """The arcs (see `lexicon_arcs`) of a lang folder's lexicon; none where it is empty."""
    lines = (line.split() for line in (lang_dir / "lexicon.txt").read_text(encoding="utf-8").splitlines())
    lexicon = [(word, tuple(phones)) for word, *phones in lines]
    words = dict(line.split() for line in (lang_dir / "words.txt").read_text(encoding="utf-8").splitlines())
    tokens = TokenTable.read(lang_dir / "tokens.txt")
    return lexicon_arcs(lexicon, tokens, {word: int(i) for word, i in words.items()}) if lexicon else []


def lexicon_arcs(
    lexicon: list[tuple[str, tuple[str, ...]]], tokens: TokenTable, words: dict[str, int]
) -> list[tuple[int, int, int, int]]:
    """The lexicon as arcs (from, to, token, word) of a transducer, sorted; state 0 is start and loop."""
    loop, epsilon, final_label = 0, 0, -1  # k2 ends in one final state, by arcs of label -1
    arcs: list[tuple[int, int, int, int]] = []
    state = loop
    for word, phones in lexicon:
        ids = tokens.encode(phones)
        # Word on the first arc; the last one leads back to the loop.
        ends = [*range(state + 1, state + len(ids)), loop]
        starts = [loop, *ends[:-1]]
        labels = [words[word], *[epsilon] * (len(ids) - 1)]
        arcs += zip(starts, ends, ids, labels, strict=True)
        state += len(ids) - 1
    return sorted([*arcs, (loop, state + 1, final_label, final_label)])


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

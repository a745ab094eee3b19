"""What the CTC branch spells in one fold: phones of the whole corpus, or letters or pieces of its train part."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seq.conf import LangConf
from seq.errors import InputError
from seq.lang.bpe import BpeModel, train_bpe
from seq.lang.tokens import BLANK, UNKNOWN, TokenTable
from seq.lang.transcripts import read_transcripts
from seq.utils.files import atomic_path
from seq.utils.run_folder import RunFolder

# Stands between two words of a text that is spelt in letters, as in sentencepiece.
WORD_BOUNDARY = "▁"
PHONE = "phone"
# Units that a G2P spells; the IPA is the phones in another alphabet.
PHONE_UNITS = (PHONE, "ipa")


@dataclass(frozen=True)
class Lang:
    """Tokens and transcripts of one fold."""

    tokens: TokenTable
    # By utterance id; an utterance without text is absent.
    transcripts: dict[str, list[str]]
    # sentencepiece's model, where the unit is bpe.
    bpe: bytes | None = None

    def save(self, run_dir: Path) -> None:
        """Write tokens.txt, and bpe.model where there is one, beside the checkpoints that were trained with them."""
        self.tokens.write(RunFolder(run_dir).tokens)
        if self.bpe is not None:
            with atomic_path(RunFolder(run_dir).bpe_model) as temporary:
                temporary.write_bytes(self.bpe)


def normalise_text(text: str) -> list[str]:
    """The words of a text in any script: NFKC, capitals, apostrophes kept, other punctuation left out."""
    kept = []
    for character in unicodedata.normalize("NFKC", text).replace("’", "'").upper():
        kept.append(character if character == "'" or unicodedata.category(character)[0] in "LMN" else " ")
    words = (word.strip("'") for word in "".join(kept).split())
    return [word for word in words if word]


def open_lang(conf: LangConf, lang_dir: Path, train_ids: Sequence[str], run_dir: Path | None = None) -> Lang:
    """Tokens and transcripts of a fold.

    Args:
        conf: the unit.
        lang_dir: stage 4's folder.
        train_ids: the fold's train part: letters and pieces come from its texts alone.
        run_dir: a trained run, whose bpe.model is used; None trains one.

    Raises:
        InputError: the folder is of another unit, cannot be read, or a BPE model cannot be had.
    """
    texts = _read_text(conf, lang_dir)
    if conf.unit in PHONE_UNITS:
        return Lang(TokenTable.read(lang_dir / "tokens.txt"), texts)
    train = [texts[key] for key in train_ids if key in texts]
    if not texts:
        return Lang(TokenTable([BLANK]), {})
    if conf.unit == "char":
        transcripts = {key: list(WORD_BOUNDARY.join(words)) for key, words in texts.items()}
        letters = {letter for words in train for letter in WORD_BOUNDARY.join(words)}
        return Lang(TokenTable([BLANK, UNKNOWN, *sorted(letters)]), transcripts)
    model = _read_model(run_dir) if run_dir else train_bpe([" ".join(words) for words in train], conf.vocab_size)
    bpe = BpeModel(model)
    return Lang(bpe.tokens(), {key: bpe.encode(" ".join(words)) for key, words in texts.items()}, model)


def _read_text(conf: LangConf, lang_dir: Path) -> dict[str, list[str]]:
    marker = lang_dir / "unit"
    made_of = marker.read_text(encoding="utf-8").strip() if marker.exists() else PHONE
    if (made_of == PHONE) != (conf.unit in PHONE_UNITS):
        raise InputError(f"lang.unit is {conf.unit}, but {lang_dir} holds {made_of}s: run stage 4 (lang) again")
    return read_transcripts(lang_dir)


def _read_model(run_dir: Path) -> bytes:
    path = RunFolder(run_dir).bpe_model
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): run stage 5 again") from error

"""Byte-pair encoding by sentencepiece, with icefall's special pieces: <blk> 0, <sos/eos> 1, <unk> 2."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from seq.errors import InputError
from seq.lang.tokens import BLANK, UNKNOWN, TokenTable


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except (ImportError, OSError) as error:
        raise InputError(
            f"lang.unit is bpe, but sentencepiece does not import ({error}): pip install sentencepiece, "
            "or set lang.unit to phone or char"
        ) from error
    return sentencepiece


def train_bpe(sentences: Sequence[str], vocab_size: int) -> bytes:
    """A BPE model of `vocab_size` pieces, as the bytes of bpe.model; the same text gives the same model.

    Raises:
        InputError: the text does not allow as many pieces, or has more letters than there are pieces.
    """
    spm = _sentencepiece()
    if not sentences:
        raise InputError("lang.unit is bpe, but no train utterance has text: set lang.unit to phone, or give texts")
    model = io.BytesIO()
    try:
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            character_coverage=1.0,
            # The text is normalised before (seq.lang.units), so that every unit spells the same.
            normalization_rule_name="identity",
            user_defined_symbols=[BLANK, "<sos/eos>"],
            unk_piece=UNKNOWN,
            unk_id=2,
            bos_id=-1,
            eos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise InputError(_explain(str(error), vocab_size)) from error
    return model.getvalue()


def _explain(message: str, vocab_size: int) -> str:
    if limit := re.search(r"value <= (\d+)", message):
        return f"lang.vocab_size is {vocab_size}, but the train text allows {limit[1]} pieces at most: lower it to that"
    if required := re.search(r"required_chars\D*\d+ vs (\d+)", message):
        return (
            f"lang.vocab_size is {vocab_size}, but the letters of the train text need {required[1]}: raise it to that"
        )
    return f"lang.vocab_size is {vocab_size}, and sentencepiece cannot train on the train text: {message}"


class BpeModel:
    """A trained model: text to pieces."""

    def __init__(self, model: bytes) -> None:
        """Raises InputError where `model` is not what sentencepiece writes."""
        try:
            self._processor = _sentencepiece().SentencePieceProcessor(model_proto=model)
        except (RuntimeError, OSError) as error:
            raise InputError("bpe.model cannot be read: delete the run's folder and train again (stage 5)") from error

    def tokens(self) -> TokenTable:
        """The token table of the pieces."""
        return TokenTable([self._processor.id_to_piece(i) for i in range(len(self._processor))])

    def encode(self, text: str) -> list[str]:
        """Pieces of `text`; letters that the model does not know stand for themselves."""
        return self._processor.encode(text, out_type=str)

"""A checkpoint as transformers' own model: safetensors only, whole or an error, without a word of what is left out."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import torch

from seq.errors import InputError
from seq.models.pretrained.source import Checkpoint


def load_transformers(checkpoint: Checkpoint, attention: str | None) -> Any:
    """transformers' model, float32; of Whisper the encoder alone."""
    try:
        import transformers
    except ImportError as error:
        raise InputError("a pretrained encoder needs transformers: install speecheq[encoder]") from error
    names = {"wav2vec2": "Wav2Vec2Model", "hubert": "HubertModel", "wavlm": "WavLMModel"}
    names["data2vec-audio"] = "Data2VecAudioModel"
    kind = _whisper_class() if checkpoint.family == "whisper" else getattr(transformers, names[checkpoint.family])
    with _quiet():
        try:
            model, found = kind.from_pretrained(
                checkpoint.folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation=attention,
                output_loading_info=True,
            )
        except Exception as error:  # safetensors, transformers and torch each have their own.
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{checkpoint.folder} cannot be loaded ({reason}): copy the checkpoint again") from error
    missing = sorted(key for key in found["missing_keys"] if "masked_spec_embed" not in key)
    if missing:
        raise InputError(
            f"{checkpoint.folder} lacks the weights {missing[0]}: it is no whole {checkpoint.family} encoder"
        )
    return model.eval()


def _whisper_class() -> Any:
    from transformers.models.whisper import modeling_whisper

    class WhisperEncoderAlone(modeling_whisper.WhisperPreTrainedModel):
        """Whisper without its decoder, which would be most of the weights."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.encoder = modeling_whisper.WhisperEncoder(config)
            self.post_init()

    return WhisperEncoderAlone


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """transformers reports every weight of the decoder that was left out, and draws a bar for files on the disk."""
    from transformers.utils import logging as their_logging

    before, bars = their_logging.get_verbosity(), their_logging.is_progress_bar_enabled()
    their_logging.set_verbosity(logging.CRITICAL)
    their_logging.disable_progress_bar()
    try:
        yield
    finally:
        their_logging.set_verbosity(before)
        if bars:
            their_logging.enable_progress_bar()

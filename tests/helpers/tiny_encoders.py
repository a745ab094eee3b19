"""Tiny pretrained encoders of every family, as their checkpoints lie on the model hub, with random weights.

Their convolutions have the kernels and strides of the real ones, so that a frame is 20 ms.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from seq.utils.model_conf import PretrainedConf

# wav2vec 2.0, HuBERT and WavLM have two forms: the base one normalises in the first convolution and after every layer,
# the large one in every convolution and before every layer ("-large"; `do_stable_layer_norm`).
KINDS: Final = (
    "whisper",
    "wav2vec2",
    "wav2vec2-large",
    "hubert",
    "hubert-large",
    "wavlm",
    "wavlm-large",
    "data2vec-audio",
)
NUM_LAYERS: Final = 3
DIM: Final = 32


def real_whisper() -> Path | None:
    """Whisper tiny.en: the folder in SPEECHEQ_WHISPER, or the one beside the repository; None where missing."""
    default = Path(__file__).parents[3] / "shared" / "models" / "whisper-tiny.en"
    folder = Path(os.environ.get("SPEECHEQ_WHISPER", default))
    return folder if (folder / "model.safetensors").is_file() else None


def save_encoder(folder: Path, kind: str = "whisper", seed: int = 0, num_filters: int = 80, dim: int = DIM) -> Path:
    """Write a checkpoint of a kind (see `KINDS`) to a folder; the same seed gives the same weights.

    Args:
        dim: width of a Whisper.
    """
    import transformers

    torch.manual_seed(seed)
    preprocessor: Any
    if kind == "whisper":
        model: Any = transformers.WhisperForConditionalGeneration(_whisper_config(num_filters, dim))
        preprocessor = transformers.WhisperFeatureExtractor(feature_size=num_filters)
    else:
        model = _waveform_model(kind)
        # Only the base form of WavLM hears samples as they are.
        preprocessor = transformers.Wav2Vec2FeatureExtractor(do_normalize=kind != "wavlm")
    _randomise(model)
    model.save_pretrained(folder)
    preprocessor.save_pretrained(folder)
    return folder


def encoder_conf(folder: Path, **settings: Any) -> PretrainedConf:
    """A conf that names the checkpoint in a folder."""
    return PretrainedConf(path=str(folder), **settings)


def _whisper_config(num_filters: int, dim: int) -> Any:
    import transformers

    return transformers.WhisperConfig(
        vocab_size=16,
        num_mel_bins=num_filters,
        d_model=dim,
        encoder_layers=NUM_LAYERS,
        encoder_attention_heads=4,
        encoder_ffn_dim=dim * 3 // 2,
        decoder_layers=1,
        decoder_attention_heads=4,
        decoder_ffn_dim=48,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


def _waveform_model(kind: str) -> Any:
    """The base forms as they were pretrained, the large ones with a head, whose weights have a prefix."""
    import transformers

    family, large = kind.removesuffix("-large"), kind.endswith("-large")
    name = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM", "data2vec-audio": "Data2VecAudio"}[family]
    settings: dict[str, Any] = {
        "vocab_size": 16,
        "hidden_size": DIM,
        "num_hidden_layers": NUM_LAYERS,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "conv_dim": [8] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }
    if family == "data2vec-audio":
        # Several convolutions in a row give its positions.
        settings |= {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 7}
    elif large:
        settings |= {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
    config = getattr(transformers, f"{name}Config")(**settings)
    return getattr(transformers, f"{name}ForCTC" if large else f"{name}Model")(config)


@torch.no_grad()
def _randomise(model: nn.Module) -> None:
    """Weights at which every part is heard: transformers' initial ones leave attention and biases next to nothing."""
    for name, parameter in model.named_parameters():
        # Whisper's encoder has fixed positions.
        if name.endswith("encoder.embed_positions.weight"):
            continue
        if parameter.dim() > 1:
            parameter.normal_(0.0, parameter[0].numel() ** -0.5)
        else:
            parameter.add_(0.1 * torch.randn_like(parameter))

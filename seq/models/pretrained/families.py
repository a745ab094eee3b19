"""The encoders themselves, family by family: samples of one utterance to hidden states, layer by layer.

An encoder is a stem (samples to frames) and transformer layers. It may be cut after any layer: the lower part
(`FrozenEncoder`) hears one utterance at a time, since the stems of most families depend on padding; the upper part
(`UpperLayers`), which may be trained, takes batches under a mask of its own.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from seq.audio.reading import MIN_SAMPLES
from seq.errors import InputError
from seq.models.pretrained.loading import load_transformers
from seq.models.pretrained.source import Checkpoint

# Whisper has positions for 30 s; longer utterances are heard in pieces of equal length.
PIECE_SAMPLES = 29 * 16000
# Nobody hears more than 20 s at once from an exported model (`seq.runtime.recording.LONG_SECONDS`).
EXPORTED_FRAMES = 1024


class Stem(nn.Module):
    """From samples to the frames that the first layer reads."""

    def forward(self, samples: Tensor) -> Tensor:
        """(N, S) samples of one length -> (N, T, C)."""
        raise NotImplementedError


class WhisperStem(Stem):
    """Log-mel spectrogram, two convolutions, and as many of the 1,500 positions as there are frames."""

    def __init__(self, encoder: Any, max_frames: int | None = None) -> None:
        super().__init__()
        from seq.models.pretrained.log_mel import WhisperLogMel

        self.log_mel = WhisperLogMel(encoder.config.num_mel_bins)
        self.conv1, self.conv2 = encoder.conv1, encoder.conv2
        positions = encoder.embed_positions.weight.detach()[:max_frames].clone()
        self.positions = nn.Parameter(positions, requires_grad=False)

    def forward(self, samples: Tensor) -> Tensor:
        x = nn.functional.gelu(self.conv1(self.log_mel(samples)))
        x = nn.functional.gelu(self.conv2(x)).transpose(1, 2)
        return x + self.positions[: x.size(1)]


class WaveformStem(Stem):
    """wav2vec 2.0, HuBERT, WavLM, data2vec: normalised samples, convolutions, a projection, convolved positions."""

    def __init__(self, model: Any, normalise: bool) -> None:
        super().__init__()
        self.normalise = normalise
        self.feature_extractor, self.feature_projection = model.feature_extractor, model.feature_projection
        self.positions = model.encoder.pos_conv_embed
        stable = getattr(model.config, "do_stable_layer_norm", False)
        self.norm = nn.Identity() if stable else model.encoder.layer_norm

    def forward(self, samples: Tensor) -> Tensor:
        if self.normalise:
            mean, variance = samples.mean(1, keepdim=True), samples.var(1, unbiased=False, keepdim=True)
            samples = (samples - mean) / (variance + 1e-7).sqrt()
        x = self.feature_projection(self.feature_extractor(samples).transpose(1, 2))
        # HuBERT gives the projection alone, the others the features, too.
        x = x[0] if isinstance(x, tuple) else x
        return self.norm(x + self.positions(x))


class UpperLayers(nn.Module):
    """Transformer layers of an encoder from one on, and the norm after the last where there is one."""

    def __init__(self, family: str, layers: nn.ModuleList, norm: nn.Module | None, bias: nn.Module | None) -> None:
        super().__init__()
        self.family = family
        self.layers = layers
        self.norm = norm
        # WavLM: what knows the position bias that all layers share.
        self.bias = bias

    @property
    def num_outputs(self) -> int:
        """How many hidden states it gives."""
        return len(self.layers) + (self.norm is not None)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """(N, T, C) and, where items are padded, (N,) frames -> the output of every layer; padding is arbitrary."""
        visible = None
        if lengths is not None:
            visible = torch.arange(x.size(1), device=x.device)[None] < lengths[:, None]
        outputs = []
        position_bias = self._position_bias(x)
        mask = self._mask(x, visible)
        for layer in self.layers:
            if self.bias is not None:
                x, _ = layer(x, attention_mask=mask, position_bias=position_bias)
            else:
                found = layer(x, attention_mask=mask)
                x = found[0] if isinstance(found, tuple) else found
            outputs.append(x)
        if self.norm is not None:
            outputs.append(self.norm(x))
        return outputs

    def _mask(self, x: Tensor, visible: Tensor | None) -> Tensor | None:
        if visible is None:
            return None
        if self.family == "wavlm":
            return visible.long()
        hidden = torch.zeros(visible.shape, dtype=x.dtype, device=x.device).masked_fill(
            ~visible, torch.finfo(x.dtype).min
        )
        return hidden[:, None, None, :].expand(-1, 1, x.size(1), -1)

    def _position_bias(self, x: Tensor) -> Tensor | None:
        if self.bias is None:
            return None
        n, t, _ = x.shape
        found = self.bias.compute_bias(t, t)  # type: ignore[operator]
        return found.unsqueeze(0).repeat(n, 1, 1, 1).view(-1, t, t)


class FrozenEncoder(nn.Module):
    """An encoder up to a layer: hidden states of whole utterances, one length at a time, of any duration."""

    def __init__(self, stem: Stem, lower: UpperLayers, dim: int) -> None:
        super().__init__()
        self.stem, self.lower, self.dim = stem, lower, dim
        self.requires_grad_(False).eval()

    @property
    def num_outputs(self) -> int:
        """How many hidden states it gives: what the first layer reads, and what each layer gives."""
        return 1 + self.lower.num_outputs

    def forward(self, samples: Tensor) -> list[Tensor]:
        """(N, S) samples of one length, at most `PIECE_SAMPLES` -> hidden states (N, T, C)."""
        x = self.stem(samples)
        return [x, *self.lower(x)]

    def hear(self, samples: Tensor) -> list[Tensor]:
        """(S,) samples of one utterance, however long -> hidden states (T, C)."""
        samples = nn.functional.pad(samples, (0, max(0, MIN_SAMPLES - len(samples))))
        count = -(-len(samples) // PIECE_SAMPLES)
        pieces = [self(piece.unsqueeze(0)) for piece in samples.chunk(count)]
        return [torch.cat([piece[i][0] for piece in pieces]) for i in range(self.num_outputs)]


def split_encoder(
    checkpoint: Checkpoint, num_upper: int = 0, for_export: bool = False
) -> tuple[FrozenEncoder, UpperLayers | None]:
    """The encoder of a checkpoint, cut below its last `num_upper` layers; without any, the upper part is None.

    Args:
        for_export: whether attention is spelt out in operations that ONNX has.

    Raises:
        InputError: transformers is not installed, a file is damaged, or there are not so many layers.
    """
    # Otherwise transformers takes what is fast; WavLM has no other.
    model = load_transformers(checkpoint, "eager" if for_export else None)
    family, config = checkpoint.family, model.config
    encoder = model.encoder
    layers: nn.ModuleList = encoder.layers
    if not 0 <= num_upper <= len(layers):
        raise InputError(f"model.pretrained.trained_layers is {num_upper}: {checkpoint.name} has {len(layers)} layers")
    stem: Stem
    norm: nn.Module | None
    if family == "whisper":
        stem, norm, dim = (
            WhisperStem(encoder, EXPORTED_FRAMES if for_export else None),
            encoder.layer_norm,
            config.d_model,
        )
    else:
        stem = WaveformStem(model, bool(checkpoint.preprocessor.get("do_normalize", True)))
        norm, dim = encoder.layer_norm if getattr(config, "do_stable_layer_norm", False) else None, config.hidden_size
    bias = _position_bias(layers[0]) if family == "wavlm" else None
    cut = len(layers) - num_upper
    lower = UpperLayers(family, nn.ModuleList(layers[:cut]), None if num_upper else norm, bias)
    upper = UpperLayers(family, nn.ModuleList(layers[cut:]), norm, bias) if num_upper else None
    return FrozenEncoder(stem, lower, dim), upper


def _position_bias(first_layer: Any) -> nn.Module:
    """Of the attention of WavLM's first layer, what knows the position bias that all layers share."""
    bias = copy.deepcopy(first_layer.attention)
    for name in ("q_proj", "k_proj", "v_proj", "out_proj", "gru_rel_pos_linear", "gru_rel_pos_const"):
        delattr(bias, name)
    # Nobody asks the layer itself any more: it would be a weight that is trained and has no gradient.
    del first_layer.attention.rel_attn_embed
    return bias.requires_grad_(False)

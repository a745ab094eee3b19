"""Whisper's log-mel spectrogram as plain tensor operations, which ONNX can hold (Radford et al. 2022, section 2.2).

What transformers' WhisperFeatureExtractor gives for the frames that an utterance has, without padding it to 30 s.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WINDOW = 400
HOP = 160
# The power below which the logarithm is cut, and how far (in powers of ten) below the loudest place.
_FLOOR = 1e-10
_RANGE = 8.0


class WhisperLogMel(nn.Module):
    """(N, S) samples, 16 kHz, all of one length -> (N, F, 2 T) log-mel energies, T = S / 320 rounded up."""

    kernels: Tensor
    filters: Tensor

    def __init__(self, num_filters: int) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        bins = WINDOW // 2 + 1
        angles = torch.arange(bins).double()[:, None] * torch.arange(WINDOW).double()[None] * (2 * torch.pi / WINDOW)
        waves = torch.cat([angles.cos(), angles.sin()]) * torch.hann_window(WINDOW, dtype=torch.float64)
        filters = mel_filter_bank(bins, num_filters, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney")
        self.register_buffer("kernels", waves.float().unsqueeze(1), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filters).float(), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        half = WINDOW // 2
        # Rounded up without negative numbers, which ONNX divides towards zero.
        num_frames = (samples.size(1) + 2 * HOP - 1) // (2 * HOP) * 2
        # The start is mirrored and the end padded with zeros, which is what a recording padded to 30 s has there.
        end = (num_frames - 1) * HOP + half - samples.size(1)
        padded = torch.cat([samples[:, 1 : half + 1].flip(1), samples], dim=1)
        padded = nn.functional.pad(padded, (0, end))
        real, imaginary = nn.functional.conv1d(padded.unsqueeze(1), self.kernels, stride=HOP).chunk(2, dim=1)
        power = real.square() + imaginary.square()
        mel = torch.matmul(power.transpose(1, 2), self.filters).transpose(1, 2)
        log = mel.clamp(min=_FLOOR).log10()
        loudest = log.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log, loudest - _RANGE) + 4.0) / 4.0

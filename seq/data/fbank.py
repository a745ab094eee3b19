"""Kaldi's log-mel filter bank as plain tensor operations: the one source of fbank, from stage 2 to the exported model.

What Kaldi's feature-fbank computes with dither off and snip_edges=false: 25 ms frames every 10 ms, the edges of the
utterance mirrored; of each frame the mean is removed, pre-emphasis 0.97, Povey window, power spectrum of 512 points,
triangular filters on Kaldi's mel scale from 20 Hz to 7600 Hz, natural logarithm. `Fbank` takes the spectrum by FFT and
`ConvolutionFbank`, for ONNX, by one convolution; the rest they share.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from seq.audio.reading import MIN_SAMPLES, SAMPLING_RATE

FRAME_SAMPLES: Final = MIN_SAMPLES
FRAME_SHIFT_SECONDS: Final = 0.01
SHIFT_SAMPLES: Final = round(FRAME_SHIFT_SECONDS * SAMPLING_RATE)

_FFT_SAMPLES = 512
_PREEMPHASIS = 0.97
_LOW_HZ, _HIGH_HZ = 20.0, SAMPLING_RATE / 2 - 400.0
# The smallest power: Kaldi's std::numeric_limits<float>::epsilon(), 2^-23.
_FLOOR = torch.finfo(torch.float32).eps
# The middle of the first frame is the middle of the first shift; the last frame reaches at most half a frame beyond.
_LEFT = (FRAME_SAMPLES - SHIFT_SAMPLES) // 2
_RIGHT = FRAME_SAMPLES // 2


def num_frames(lengths: Tensor) -> Tensor:
    """Frames (N,) of lengths (N,) in samples: S / 160, rounded half up."""
    return torch.div(lengths + SHIFT_SAMPLES // 2, SHIFT_SAMPLES, rounding_mode="floor")


def mel_filters(num_filters: int) -> Tensor:
    """Kaldi's triangular filters, (257, num_filters) float32: the weight of each bin of the power spectrum.

    Their corners are evenly spaced on the scale 1127 ln(1 + Hz / 700); the bin at 8000 Hz belongs to none.
    """
    low, high = (1127.0 * math.log(1.0 + hz / 700.0) for hz in (_LOW_HZ, _HIGH_HZ))
    step = (high - low) / (num_filters + 1)
    # Single precision, as Kaldi's.
    corner = np.arange(num_filters, dtype=np.float32)
    left, center, right = (low + (corner + i) * step for i in range(3))
    hz = SAMPLING_RATE / _FFT_SAMPLES * np.arange(_FFT_SAMPLES // 2, dtype=np.float32)
    mel = (1127.0 * np.log(1.0 + hz / 700.0))[:, np.newaxis]
    weights = np.maximum(0.0, np.minimum((mel - left) / (center - left), (right - mel) / (right - center)))
    return torch.from_numpy(np.pad(weights, ((0, 1), (0, 0))))


def mirror_edges(waveform: Tensor, lengths: Tensor) -> Tensor:
    """(N, S) samples -> (N, 120 + S + 200): each item mirrored at its start and at its own end.

    The last sample stands twice, as Kaldi has it. What follows an item's 200 mirrored samples is arbitrary.
    Lengths (N,) must be at least 200.
    """
    left = waveform[:, :_LEFT].flip(1)
    padded = torch.cat((left, waveform, waveform.new_zeros(waveform.size(0), _RIGHT)), dim=1)
    beyond = torch.arange(_RIGHT, device=waveform.device)
    ends = lengths.unsqueeze(1)
    return padded.scatter(1, _LEFT + ends + beyond, waveform.gather(1, ends - 1 - beyond))


class Fbank(nn.Module):
    """Log-mel filter bank of a padded batch; every item gets what it gets alone."""

    window: Tensor
    filters: Tensor

    def __init__(self, num_filters: int) -> None:
        super().__init__()
        povey = torch.hann_window(FRAME_SAMPLES, periodic=False).pow(0.85)
        self.register_buffer("window", povey, persistent=False)
        self.register_buffer("filters", mel_filters(num_filters), persistent=False)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S) samples in [-1, 1], 16 kHz, and (N,) lengths in samples -> (N, T, F) fbank and (N,) frames.

        T is S / 160, rounded half up; frames beyond an item's own are arbitrary. Lengths must be at least 200.
        """
        power = self.power(mirror_edges(waveform, lengths))
        return torch.matmul(power, self.filters).clamp(min=_FLOOR).log(), num_frames(lengths)

    def power(self, padded: Tensor) -> Tensor:
        """Power spectrum (N, T, 257) of samples with mirrored edges (N, 120 + S + 200)."""
        spectrum = self.spectrum(padded.unfold(1, FRAME_SAMPLES, SHIFT_SAMPLES))
        # Not the square of the absolute value: its root takes longer than everything else here.
        return spectrum.real.square().add_(spectrum.imag.square())

    def spectrum(self, frames: Tensor) -> Tensor:
        """Complex spectrum (..., 257) of frames (..., 400)."""
        frames = frames - frames.mean(-1, keepdim=True)
        previous = torch.cat((frames[..., :1], frames[..., :-1]), dim=-1)
        # In place: fresh memory would cost a tenth of all the time.
        return torch.fft.rfft(previous.mul_(-_PREEMPHASIS).add_(frames).mul_(self.window), _FFT_SAMPLES)


class ConvolutionFbank(Fbank):
    """The same filter bank without FFT and complex numbers, which ONNX's exporter does not have.

    All before the power is linear in the samples of a frame: its matrix is the spectra of unit impulses, taken in
    double precision, and one strided convolution applies it.
    """

    basis: Tensor

    def __init__(self, num_filters: int) -> None:
        super().__init__(num_filters)
        impulses = Fbank(num_filters).double().spectrum(torch.eye(FRAME_SAMPLES, dtype=torch.float64)).T
        basis = torch.cat((impulses.real, impulses.imag)).unsqueeze(1).float()
        self.register_buffer("basis", basis, persistent=False)

    def power(self, padded: Tensor) -> Tensor:
        """As `Fbank.power`."""
        real, imaginary = nn.functional.conv1d(padded.unsqueeze(1), self.basis, stride=SHIFT_SAMPLES).chunk(2, dim=1)
        return (real * real + imaginary * imaginary).transpose(1, 2)

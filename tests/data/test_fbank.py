"""Our filter bank against Lhotse's, kaldi-native-fbank and itself in double precision, and its two paths together."""

from __future__ import annotations

import lhotse
import numpy as np
import pytest
import torch
from corpus_builders import real_ravdess, speech_like
from lhotse.features.kaldi.layers import get_mel_banks
from torch.nn.utils.rnn import pad_sequence

from seq.audio.reading import read_audio
from seq.data.fbank import FRAME_SHIFT_SECONDS, ConvolutionFbank, Fbank, mel_filters
from tools.bench_fbank import kaldi_native

SPEECH = speech_like(1.0, 16000, seed=2)
NOISE = np.random.default_rng(0).normal(size=16000).astype(np.float32)
CLICK = np.eye(1, 5001, 2500, dtype=np.float32)[0]
EDGE_CASES = {
    **{f"{num_samples} samples": SPEECH[:num_samples] for num_samples in (400, 401, 479, 480, 481, 559, 560, 15919)},
    "noise": NOISE[:4001] / 10,
    "silence": np.zeros(4000, np.float32),
    "almost silence": 1e-5 * NOISE[:4000],
    "full scale": np.sign(SPEECH),
    "beyond full scale": 1000 * SPEECH,
    "offset": np.full(4000, 0.5, np.float32),
    "speech on an offset": SPEECH + np.float32(0.5),
    "click": CLICK,
}


def speech() -> list[np.ndarray]:
    """An utterance of every actor of RAVDESS, its silences too, where it is; otherwise speech-like sounds."""
    folder = real_ravdess()
    if folder is None:
        return [speech_like(1 + 0.0137 * i, 16000, seed=i, pitch=90 + 10 * i) for i in range(12)]
    return [read_audio(path) for path in sorted(folder.glob("Actor_*/*"))[7::60]]


def alone(fbank: Fbank, samples: np.ndarray) -> np.ndarray:
    """(T, F) of (S,) samples."""
    waveform = torch.from_numpy(samples).to(fbank.window.dtype)
    with torch.no_grad():
        features, frames = fbank(waveform.unsqueeze(0), torch.tensor([len(samples)]))
    assert frames.tolist() == [features.size(1)] == [(len(samples) + 80) // 160]
    return features[0].numpy()


def decibels_below(features: np.ndarray) -> np.ndarray:
    """How far each value (T, F) lies below the loudest filter of its frame."""
    return 10 / np.log(10) * (features.max(axis=1, keepdims=True) - features)


def by_lhotse(samples: np.ndarray) -> np.ndarray:
    return lhotse.Fbank().extract(samples, 16000)


@pytest.mark.parametrize("num_filters", [23, 40, 80])
def test_filters_are_lhotses(num_filters: int) -> None:
    expected, _ = get_mel_banks(num_filters, 512, 16000, 20.0, -400.0)
    torch.testing.assert_close(mel_filters(num_filters)[:-1], expected.T, rtol=0, atol=1e-6)
    assert not mel_filters(num_filters)[-1].any()


def test_speech_equals_lhotse_within_1e_4() -> None:
    for samples in speech():
        np.testing.assert_allclose(alone(Fbank(80), samples), by_lhotse(samples), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_cases_equal_lhotse_and_kaldi(name: str) -> None:
    samples = EDGE_CASES[name]
    found, theirs = alone(Fbank(80), samples), kaldi_native(samples.tolist())
    np.testing.assert_allclose(found, by_lhotse(samples), rtol=0, atol=1e-4)
    # What single precision gives: see test_features.
    error = np.abs(found - theirs)
    assert found.shape == theirs.shape and error[decibels_below(theirs) <= 80].max() < 1e-3 and error.max() < 1e-2


def test_frame_shift_is_lhotses() -> None:
    assert lhotse.Fbank().frame_shift == FRAME_SHIFT_SECONDS


# A convolution sums in another order where there is more of it.
@pytest.mark.parametrize(("fbank_type", "tolerance"), [(Fbank, 1e-5), (ConvolutionFbank, 3e-4)])
def test_batched_equals_single_whatever_the_neighbours(fbank_type: type[Fbank], tolerance: float) -> None:
    waveforms = [torch.from_numpy(samples) for samples in EDGE_CASES.values()]
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    beyond = torch.arange(int(lengths.max())) >= lengths.unsqueeze(1)
    padded = torch.where(beyond, torch.rand(beyond.shape), pad_sequence(waveforms, batch_first=True))
    fbank = fbank_type(80)
    for row, frames, waveform in zip(*fbank(padded, lengths), waveforms, strict=True):
        np.testing.assert_allclose(row[:frames], alone(fbank, waveform.numpy()), rtol=0, atol=tolerance)


def test_fft_and_convolution_are_as_close_as_single_precision_goes() -> None:
    """Within 60 dB of the loudest filter of a frame either path is within 3e-4 of double precision; below that the
    FFT loses more, as Lhotse's does. Hardly any value is off by more than 1e-4."""
    exact = Fbank(80).double()
    differences = []
    for samples in [*speech(), *EDGE_CASES.values()]:
        expected = alone(exact, samples)
        near = decibels_below(expected) <= 60
        fft, convolution = (alone(fbank_type(80), samples) for fbank_type in (Fbank, ConvolutionFbank))
        for found in (fft, convolution):
            np.testing.assert_allclose(found[near], expected[near], rtol=0, atol=3e-4)
        differences.append(np.abs(fft - convolution).ravel())
    difference = np.concatenate(differences)
    assert difference.max() < 5e-3 and np.mean(difference > 1e-4) < 1e-3

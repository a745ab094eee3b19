"""kaldifeat's features against the default extractor's, and features on the fly against stored ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus_builders import fbank_and_labels, speech_like

from seq.conf import AugmentConf, FeaturesConf
from seq.data.batches import SpeechDataset
from seq.data.features import compute_fbank, compute_fbanks
from seq.data.kaldifeat_fbank import make_kaldifeat
from seq.errors import InputError

HAS_KALDIFEAT = importlib.util.find_spec("kaldifeat") is not None
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def waveforms() -> list[np.ndarray]:
    """Utterances of unequal lengths, one of them quiet, one of them digital silence with a click."""
    click = np.zeros(5001, dtype=np.float32)
    click[2500] = 0.5
    voices = [speech_like(0.7 + 0.0137 * i, 16000, seed=i, pitch=90 + 30 * i) for i in range(3)]
    return [*voices, np.float32(1e-3) * voices[0], click]


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Within 1e-3 as far as single precision goes: to 80 dB below the loudest filter of a frame (see test_features)."""
    error = (found - expected).abs()
    decibels_below = 10 / np.log(10) * (expected.amax(1, keepdim=True) - expected)
    assert found.shape == expected.shape and error[decibels_below <= 80].max() < 1e-3 and error.max() < 1e-2


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "name",
    [
        "kaldi-fbank",
        pytest.param(
            "kaldifeat-fbank", marks=pytest.mark.skipif(not HAS_KALDIFEAT, reason="kaldifeat is not installed")
        ),
    ],
)
def test_batched_features_equal_the_default_ones(name: str, device: str) -> None:
    conf = FeaturesConf(extractor=name)
    batch = compute_fbanks(waveforms(), conf, torch.device(device))
    for samples, feature in zip(waveforms(), batch, strict=True):
        default = torch.from_numpy(compute_fbank(samples))
        assert feature.device.type == device
        assert_same(feature.cpu(), default)
        assert_same(torch.from_numpy(compute_fbank(samples, conf)), default)


def test_a_kaldifeat_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    make_kaldifeat.cache_clear()
    monkeypatch.setitem(sys.modules, "kaldifeat", None)
    message = r"kaldifeat does not import .* built for torch .* or set features.extractor to kaldi-fbank"
    with pytest.raises(InputError, match=message):
        compute_fbanks(waveforms(), FeaturesConf(extractor="kaldifeat-fbank"), torch.device("cpu"))


def test_features_on_the_fly_equal_the_stored_ones(tmp_path: Path) -> None:
    cuts, labeller = fbank_and_labels(tmp_path)
    batches = []
    for on_the_fly in (False, True):
        augment = AugmentConf(on_the_fly=on_the_fly, speed_prob=0.0)
        dataset = SpeechDataset(labeller, FeaturesConf(), augment, torch.zeros(80), device=torch.device("cpu"))
        batches.append(dataset[cuts.subset(first=4)])
    assert torch.equal(batches[0].feature_lens, batches[1].feature_lens)
    torch.testing.assert_close(batches[0].feature, batches[1].feature, rtol=0, atol=1e-5)

"""The network: an utterance's answer does not depend on its company, for both encoders and subsampling factors."""

from __future__ import annotations

import pytest
import torch

from seq.conf import ModelConf
from seq.models.layer_mix import LayerMix
from seq.models.model import ModelSpec, SpeechEqModel, num_parameters

TASKS = ["emotion", "intensity", "gender", "phone"]


def make_model(encoder: str = "tdnn", subsampling: int = 2, tasks: list[str] | None = None) -> SpeechEqModel:
    torch.manual_seed(0)
    conf = ModelConf(
        encoder=encoder,
        subsampling=subsampling,
        stem_channels=4,
        channels=16,
        num_layers=5,
        kernel_size=5,
        num_heads=2,
        feedforward=32,
        embedding_dim=16,
    )
    spec = ModelSpec(conf, tasks or TASKS, 40, ["neutral", "happy"], [0.0, 1.0], ["<blk>", "A", "B"])
    return SpeechEqModel(spec).eval()


@pytest.mark.parametrize("encoder", ["tdnn", "conformer"])
@pytest.mark.parametrize("subsampling", [2, 4])
def test_batched_equals_single(encoder: str, subsampling: int) -> None:
    model = make_model(encoder, subsampling)
    model.set_feature_statistics(torch.full((40,), -3.0), torch.full((40,), 2.0))
    lengths = torch.tensor([97, 60, 33, 7, 1])
    # Rubbish on the padding: nothing of it may be seen.
    feature = torch.randn(len(lengths), 97, 40) * 5
    batched = model(feature, lengths)
    for i, n in enumerate(lengths.tolist()):
        single = model(feature[i : i + 1, :n], lengths[i : i + 1])
        for task in ("emotion", "intensity", "gender", "embedding"):
            torch.testing.assert_close(getattr(batched, task)[i], getattr(single, task)[0], atol=1e-5, rtol=1e-4)
        frames = int(single.lengths[0])
        assert frames == int(batched.lengths[i]) == -(-n // subsampling) == single.phone.size(1)
        torch.testing.assert_close(batched.phone[i, :frames], single.phone[0], atol=1e-5, rtol=1e-4)


def test_layer_mix_is_a_mean_until_it_learns() -> None:
    layers = [torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(i)) * (i + 1) for i in range(3)]
    mix = LayerMix(3, 8)
    normalised = [(x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0) for x in layers]
    torch.testing.assert_close(mix(layers), sum(normalised) / 3, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.0, 50.0, 0.0]))
    torch.testing.assert_close(mix(layers), normalised[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("encoder", ["tdnn", "conformer"])
def test_every_layer_learns_from_the_heads_of_the_utterance(encoder: str) -> None:
    model = make_model(encoder, tasks=["emotion"])
    model(torch.randn(2, 30, 40), torch.tensor([30, 20])).emotion.sum().backward()
    assert model.layer_mix.scores.grad.abs().min() > 0
    assert all(any(p.grad.abs().sum() > 0 for p in block.parameters()) for block in model.encoder.blocks)


def test_only_chosen_heads_exist() -> None:
    output = make_model(tasks=["gender"])(torch.randn(2, 30, 40), torch.tensor([30, 20]))
    assert output.gender.shape == (2, 2)
    assert output.emotion is None and output.intensity is None and output.phone is None


def test_spec_round_trip() -> None:
    spec = make_model().spec
    assert ModelSpec.from_dict(spec.to_dict()) == spec


def test_default_size_is_about_a_million_parameters() -> None:
    spec = ModelSpec(ModelConf(), TASKS, 80, ["neutral"] * 8, [0.0], ["<blk>"] * 40)
    assert 0.7e6 < num_parameters(SpeechEqModel(spec)) < 1.5e6


def test_phone_log_probabilities_sum_to_one() -> None:
    output = make_model()(torch.randn(1, 30, 40), torch.tensor([30]))
    torch.testing.assert_close(output.phone.exp().sum(-1), torch.ones(1, 15))

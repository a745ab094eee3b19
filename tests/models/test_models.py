"""The network: an utterance's answer does not depend on its company, and front end and encoder say what they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from seq.conf import ModelConf
from seq.errors import InputError
from seq.models.adapters import STRANGERS, CorpusAdapters
from seq.models.convolutions import DepthwiseConv, OneMapConv
from seq.models.encoder import encoder_names, make_encoder
from seq.models.layer_mix import LayerMix
from seq.models.model import ModelSpec, SpeechEqModel, kept_weights, load_kept_weights, num_parameters
from seq.models.subsampling import Conv2dSubsampling
from seq.tasks.base import Outputs
from seq.train.ctc import make_ctc
from seq.train.losses import LossSetting, task_loss

OUTPUTS = {
    "emotion": Outputs("category", ("neutral", "happy")),
    "intensity": Outputs("scale", levels=(0.0, 1.0)),
    "gender": Outputs("category", ("F", "M")),
    "phone": Outputs("sequence", ("<blk>", "A", "B")),
}


def make_model(encoder: str = "tdnn", subsampling: int = 2, tasks: Sequence[str] = tuple(OUTPUTS)) -> SpeechEqModel:
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
    return SpeechEqModel(ModelSpec(conf, 40, {name: OUTPUTS[name] for name in tasks})).eval()


@pytest.mark.parametrize("encoder", encoder_names())
@pytest.mark.parametrize("subsampling", [2, 4])
def test_batched_equals_single(encoder: str, subsampling: int) -> None:
    model = make_model(encoder, subsampling)
    model.front_end.mean.fill_(-3.0)
    model.front_end.std.fill_(2.0)
    lengths = torch.tensor([97, 60, 33, 7, 1])
    # Rubbish on the padding: nothing of it may be seen.
    feature = torch.randn(len(lengths), 97, 40) * 5
    batched = model(feature, lengths)
    for i, n in enumerate(lengths.tolist()):
        single = model(feature[i : i + 1, :n], lengths[i : i + 1])
        for task in ("emotion", "intensity", "gender"):
            torch.testing.assert_close(batched.numbers[task][i], single.numbers[task][0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(batched.embedding[i], single.embedding[0], atol=1e-5, rtol=1e-4)
        frames, spelt = int(single.lengths[0]), single.numbers["phone"]
        assert frames == int(batched.lengths[i]) == -(-n // subsampling) == spelt.size(1)
        torch.testing.assert_close(batched.numbers["phone"][i, :frames], spelt[0], atol=1e-5, rtol=1e-4)


def test_an_adapter_is_heard_in_its_own_corpus_alone() -> None:
    torch.manual_seed(0)
    adapters = CorpusAdapters(2, 16, 3)
    x, corpora = torch.randn(4, 16), torch.tensor([0, 1, -1, 0])
    torch.testing.assert_close(adapters(x, corpora), x, rtol=0, atol=0)
    torch.nn.init.normal_(adapters.up)
    adapters.eval()
    first = x[0] + adapters.up[0] @ torch.nn.functional.silu(adapters.down[0] @ x[0])
    torch.testing.assert_close(adapters(x, corpora)[0], first)
    torch.testing.assert_close(adapters(x, corpora)[2], x[2], rtol=0, atol=0)
    adapters(x[:1], corpora[:1]).sum().backward()
    assert adapters.up.grad[0].abs().min() > 0 == adapters.up.grad[1].abs().max()
    # In training some are heard as strangers are.
    kept = (adapters.train()(x[:1].expand(4000, 16), torch.zeros(4000, dtype=int)) != x[0]).any(dim=1).float().mean()
    assert abs(kept - (1 - STRANGERS)) < 0.03


@pytest.mark.parametrize(("num_frames", "dilation"), [(20, 1), (21, 3), (2, 4)])
def test_a_depthwise_convolution_learns_as_torch_s_does(num_frames: int, dilation: int) -> None:
    torch.manual_seed(0)
    ours = DepthwiseConv(6, 5, dilation).double()
    assert ours.training
    x = torch.randn(3, num_frames, 6, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(3, num_frames, 6, dtype=torch.float64)
    found = torch.autograd.grad(ours(x), (x, ours.weight, ours.bias), grad)
    theirs = torch.nn.functional.conv1d(
        x.mT, ours.weight, ours.bias, padding=2 * dilation, dilation=dilation, groups=6
    ).mT
    torch.testing.assert_close(ours(x), theirs)
    torch.testing.assert_close(ours.eval()(x), theirs)
    torch.testing.assert_close(found, torch.autograd.grad(theirs, (x, ours.weight, ours.bias), grad))


@pytest.mark.parametrize(("shape", "strides"), [((20, 8), (2, 2)), ((21, 9), (2, 1)), ((1, 1), (1, 1))])
def test_a_convolution_of_one_map_learns_as_torch_s_does(shape: tuple[int, int], strides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours = OneMapConv(6, 3, strides).double()
    assert ours.training
    x = torch.randn(3, *shape, dtype=torch.float64, requires_grad=True)
    theirs = torch.nn.functional.conv2d(x.unsqueeze(1), ours.weight, ours.bias, strides, padding=1)
    grad = torch.randn_like(theirs)
    found = torch.autograd.grad(ours(x), (x, ours.weight, ours.bias), grad)
    torch.testing.assert_close(ours(x), theirs)
    torch.testing.assert_close(ours.eval()(x), theirs)
    torch.testing.assert_close(found, torch.autograd.grad(theirs, (x, ours.weight, ours.bias), grad))


@pytest.mark.parametrize("factor", [2, 4])
def test_the_stem_learns_what_it_answers_with(factor: int) -> None:
    torch.manual_seed(0)
    stem = Conv2dSubsampling(21, 12, factor, stem_channels=6).double()
    with torch.no_grad():
        for parameter in stem.norm.parameters():
            parameter.normal_()
    x, lengths = torch.randn(3, 19, 21, dtype=torch.float64), torch.tensor([19, 8, 1])
    (learning, frames), (answering, same) = stem.train()(x, lengths), stem.eval()(x, lengths)
    torch.testing.assert_close(learning, answering)
    assert torch.equal(frames, same)


def test_layer_mix_is_a_mean_until_it_learns() -> None:
    layers = [torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(i)) * (i + 1) for i in range(3)]
    mix = LayerMix(3, 8)
    normalised = [(x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0) for x in layers]
    torch.testing.assert_close(mix(layers), sum(normalised) / 3, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.0, 50.0, 0.0]))
    torch.testing.assert_close(mix(layers), normalised[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("encoder", encoder_names())
def test_every_layer_learns_from_the_heads_of_the_utterance(encoder: str) -> None:
    model = make_model(encoder, tasks=["emotion"])
    model(torch.randn(2, 30, 40), torch.tensor([30, 20])).numbers["emotion"].sum().backward()
    assert model.layer_mix is None or model.layer_mix.scores.grad.abs().min() > 0
    # But the last bias of an attention, to which a softmax is blind.
    blind = {"pooling.attention.2.bias", "encoder.pooling.attention.2.bias"}
    dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert set(dead) <= blind, dead


def test_only_chosen_heads_exist() -> None:
    output = make_model(tasks=["gender"])(torch.randn(2, 30, 40), torch.tensor([30, 20]))
    assert output.numbers.keys() == {"gender"} and output.numbers["gender"].shape == (2, 2)


def test_spec_round_trip() -> None:
    spec = make_model().spec
    assert ModelSpec.from_dict(spec.to_dict()) == spec


def test_default_size_is_about_a_million_parameters() -> None:
    outputs = {
        **OUTPUTS, "emotion": Outputs("category", ("neutral",) * 8), "phone": Outputs("sequence", ("<blk>",) * 40)
    }  # fmt: skip
    spec = ModelSpec(ModelConf(), 80, outputs)
    assert 0.7e6 < num_parameters(SpeechEqModel(spec)) < 1.5e6


def test_phone_log_probabilities_sum_to_one() -> None:
    output = make_model()(torch.randn(1, 30, 40), torch.tensor([30]))
    torch.testing.assert_close(output.numbers["phone"].exp().sum(-1), torch.ones(1, 15))


@pytest.mark.parametrize("encoder", encoder_names())
@pytest.mark.parametrize("subsampling", [2, 4])
def test_front_end_and_encoder_are_what_they_say(encoder: str, subsampling: int) -> None:
    model = make_model(encoder, subsampling)
    front_end = model.front_end
    assert (front_end.reads, front_end.frame_seconds) == ("fbank", pytest.approx(0.01 * subsampling))
    x, lengths = torch.randn(2, 40, 40), torch.tensor([40, 13])
    frames = front_end(x, lengths)
    layers, lengths = frames.layers, frames.lengths
    assert lengths.tolist() == [-(-40 // subsampling), -(-13 // subsampling)]
    assert len(layers) == front_end.num_layers
    deeper = model.encoder(layers[-1], lengths)
    assert len(deeper) == model.encoder.num_layers == 5
    for layer, dim in [*((x, front_end.dim) for x in layers), *((x, model.encoder.dim) for x in deeper)]:
        assert layer.shape == (2, int(lengths[0]), dim)
        # Zero on padding, and something before it.
        assert (layer[1, lengths[1] :] == 0).all() and layer[1, : lengths[1]].abs().sum() > 0
    if model.encoder.pooled_dim:
        assert model.encoder.pool([*layers, *deeper], lengths).shape == (2, model.encoder.pooled_dim)
    else:
        assert len(model.layer_mix.scores) == len(layers) + len(deeper) and model.encoder.dim == front_end.dim


def test_an_encoder_is_a_file_that_defines_one() -> None:
    assert encoder_names() == ["conformer", "gated_mean", "mscnn_spu", "tdnn"]
    for name in ("lstm", "encoder", "../tdnn", ""):
        with pytest.raises(InputError, match=f"model.encoder: there is no {name!r}; choose from conformer, gated"):
            make_encoder(ModelConf(encoder=name), 16)


def test_frozen_parameters_are_not_kept_and_other_networks_weights_are_refused() -> None:
    model, other = make_model(), make_model()
    frozen = {f"front_end.{name}" for name, _ in model.front_end.named_parameters()}
    assert frozen and kept_weights(model).keys() == model.state_dict().keys()
    for network in (model, other):
        network.front_end.requires_grad_(False)
    kept = kept_weights(model)
    # Buffers are: they are of the training set.
    assert kept.keys() == model.state_dict().keys() - frozen and "front_end.mean" in kept
    assert num_parameters(model) == sum(value.numel() for name, value in kept.items() if "front_end" not in name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    own = {name: value.clone() for name, value in other.state_dict().items()}
    load_kept_weights(other, kept)
    for name, value in other.state_dict().items():
        assert torch.equal(value, own[name] if name in frozen else kept[name]), name
    for weights in ({}, kept_weights(make_model()), kept_weights(make_model("conformer"))):
        with pytest.raises(RuntimeError, match="weights of another network"):
            load_kept_weights(other, weights)
    with pytest.raises(RuntimeError, match=r"weights of another network: heads\.phone"):
        load_kept_weights(make_model(), kept_weights(make_model(tasks=["emotion", "intensity", "gender"])))


def test_members_learn_each_by_itself_and_answer_as_one() -> None:
    """The mean of what the members say is what the head says of all of them; each one's loss counts alike."""
    torch.manual_seed(0)
    conf = ModelConf(encoder="tdnn", channels=16, num_layers=1, kernel_size=3, feedforward=16, stem_channels=4,
                     embedding_dim=12, members=3, dropout=0.0, head_dropout=0.0)  # fmt: skip
    outputs = {name: OUTPUTS[name] for name in ("emotion", "intensity", "phone")}
    model = SpeechEqModel(ModelSpec(conf, 40, outputs))
    feature, lengths = torch.randn(4, 50, 40), torch.tensor([50, 40, 30, 20])
    each, together = model.train()(feature, lengths), model.eval()(feature, lengths)
    num_classes = len(OUTPUTS["emotion"].labels)
    assert each.numbers["emotion"].shape == (3, 4, num_classes) and each.numbers["intensity"].shape == (3, 4, 3)
    for name in ("emotion", "intensity"):
        torch.testing.assert_close(each.numbers[name].mean(0), together.numbers[name])
    target = torch.tensor([0, 1, 1, 0])
    total, count = task_loss("emotion", each, target, LossSetting(make_ctc("torch")))
    alone = [torch.nn.functional.cross_entropy(logits, target, reduction="sum") for logits in each.numbers["emotion"]]
    torch.testing.assert_close(total, torch.stack(alone).mean())
    assert int(count) == 4

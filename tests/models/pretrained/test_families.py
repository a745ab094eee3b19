"""Every family hears what transformers' own code hears, alone and in company, and what is trained of it learns.

The checkpoints are tiny ones with random weights (tests/helpers/tiny_encoders.py), and Whisper tiny.en where it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from corpus_builders import speech_like
from tiny_encoders import DIM, KINDS, NUM_LAYERS, encoder_conf, real_whisper, save_encoder
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from seq.audio.level import normalise_level
from seq.conf import ModelConf
from seq.data.encoded import Heard, summarise
from seq.errors import InputError
from seq.models.model import ModelOutput, ModelSpec, SpeechEqModel, kept_weights, load_kept_weights
from seq.models.pretrained.adapt import adapted_layers, merge_adapters
from seq.models.pretrained.cache import describe_encoder, hear
from seq.models.pretrained.families import PIECE_SAMPLES, FrozenEncoder, split_encoder
from seq.models.pretrained.log_mel import WhisperLogMel
from seq.models.pretrained.source import find_checkpoint
from seq.tasks.base import Outputs

transformers = pytest.importorskip("transformers")

OUTPUTS = {"emotion": Outputs("category", ("neutral", "happy")), "phone": Outputs("sequence", ("<blk>", "A", "B"))}
WHOLE = {"trained_layers": NUM_LAYERS}
ADAPTED = {"trained_layers": 2, "lora_rank": 2}
# They move all scores alike (of a query, of a frame), so that their gradients are rounding errors.
UNSEEN_BY_SOFTMAX = ("k_proj.bias", "pooling.attention.2.bias")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("encoders")
    return {kind: save_encoder(root / kind, kind) for kind in KINDS}


def utterance(num_samples: int, seed: int = 3) -> np.ndarray:
    """(S,) speech-like samples, as loud as stage 0 leaves them."""
    return speech_like(num_samples / 16000, 16000, seed)


def frozen(folder: Path, num_upper: int = 0, for_export: bool = False) -> FrozenEncoder:
    return split_encoder(find_checkpoint(encoder_conf(folder)), num_upper, for_export)[0]


@torch.inference_mode()
def layers_by_transformers(folder: Path, samples: np.ndarray) -> list[Tensor]:
    """Hidden states (T, C) of transformers' own model; of Whisper, of its modules on as many frames as there are."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor(samples, sampling_rate=16000, return_tensors="pt")
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    if model.config.model_type != "whisper":
        found = model(inputs.input_values, output_hidden_states=True)
        stable = getattr(model.config, "do_stable_layer_norm", False)
        layers = [*found.hidden_states, *([found.last_hidden_state] if stable else [])]
        return [layer[0] for layer in layers]
    encoder = model.encoder
    num_frames = -(-len(samples) // 320)
    x = nn.functional.gelu(encoder.conv1(inputs.input_features[:, :, : 2 * num_frames]))
    x = nn.functional.gelu(encoder.conv2(x)).transpose(1, 2) + encoder.embed_positions.weight[:num_frames]
    layers = [x]
    for layer in encoder.layers:
        layers.append(layer(layers[-1], None))
    return [layer[0] for layer in [*layers, encoder.layer_norm(layers[-1])]]


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_those_of_transformers(folders: dict[str, Path], kind: str) -> None:
    encoder, exported = frozen(folders[kind]), frozen(folders[kind], for_export=True)
    normed = kind == "whisper" or kind.endswith("-large")
    assert (encoder.num_outputs, encoder.dim) == (1 + NUM_LAYERS + normed, DIM)
    for num_samples in (400, 16000 + 37):
        samples = utterance(num_samples)
        ours, theirs = encoder.hear(torch.from_numpy(samples)), layers_by_transformers(folders[kind], samples)
        spelt_out = exported.hear(torch.from_numpy(samples))
        assert len(ours) == len(theirs) == encoder.num_outputs
        # 20 ms; the convolutions of all but Whisper are not padded.
        assert len(ours[0]) == (-(-num_samples // 320) if kind == "whisper" else (num_samples - 80) // 320)
        for one, two, three in zip(ours, theirs, spelt_out, strict=True):
            torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(three, two, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("num_filters", [80, 128])
def test_log_mel_is_that_of_whispers_extractor(num_filters: int) -> None:
    extractor, log_mel = transformers.WhisperFeatureExtractor(feature_size=num_filters), WhisperLogMel(num_filters)
    quiet_ends = np.concatenate([1e-4 * utterance(7000, 1), utterance(20000, 2), 1e-4 * utterance(5000, 3)])
    for samples in (utterance(400), utterance(401), utterance(16000), utterance(29 * 16000), quiet_ends):
        ours = log_mel(torch.from_numpy(samples)[None])
        theirs = extractor(samples, sampling_rate=16000, return_tensors="pt").input_features[:, :, : ours.size(2)]
        assert ours.shape == (1, num_filters, -(-len(samples) // 320) * 2)
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


# WavLM's first layer knows what the others share.
@pytest.mark.parametrize(("kind", "num_upper"), [*((kind, 2) for kind in KINDS), ("wavlm", NUM_LAYERS)])
@torch.inference_mode()
def test_upper_layers_hear_in_a_batch_what_the_whole_encoder_hears_alone(
    folders: dict[str, Path], kind: str, num_upper: int
) -> None:
    whole = frozen(folders[kind])
    lower, upper = split_encoder(find_checkpoint(encoder_conf(folders[kind])), num_upper)
    assert upper is not None and lower.num_outputs + upper.num_outputs == whole.num_outputs
    utterances = [torch.from_numpy(utterance(num_samples, seed=num_samples)) for num_samples in (24000, 16100, 400)]
    heard = [lower.hear(samples) for samples in utterances]
    lengths = torch.tensor([len(layers[-1]) for layers in heard])
    # Rubbish on the padding: nothing of it may be seen.
    x = pad_sequence([layers[-1] for layers in heard], batch_first=True, padding_value=50.0)
    together = upper(x, lengths)
    for i, (samples, below) in enumerate(zip(utterances, heard, strict=True)):
        above = upper(below[-1][None])
        expected = whole.hear(samples)
        for layer, theirs in zip(below, expected[: lower.num_outputs], strict=True):
            torch.testing.assert_close(layer, theirs, atol=1e-5, rtol=1e-5)
        for layer, batched, theirs in zip(above, together, expected[lower.num_outputs :], strict=True):
            torch.testing.assert_close(layer[0], theirs, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(batched[i, : lengths[i]], theirs, atol=1e-4, rtol=1e-4)


def test_what_is_longer_than_whispers_positions_is_heard_to_its_end(folders: dict[str, Path]) -> None:
    encoder = frozen(folders["whisper"])
    # The longest that is heard at once, what is one sample longer, and what takes three pieces.
    for num_samples, num_pieces in ((PIECE_SAMPLES, 1), (PIECE_SAMPLES + 1, 2), (2 * PIECE_SAMPLES + 800, 3)):
        samples = torch.from_numpy(utterance(num_samples))
        layers, pieces = encoder.hear(samples), samples.chunk(num_pieces)
        assert sum(-(-len(piece) // 320) for piece in pieces) == len(layers[0])
        for piece, last in ((pieces[0], False), (pieces[-1], True)):
            alone = encoder.hear(piece)
            for layer, expected in zip(layers, alone, strict=True):
                found = layer[-len(expected) :] if last else layer[: len(expected)]
                torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
def test_less_than_a_frame_of_features_is_heard_as_one(folders: dict[str, Path], kind: str) -> None:
    encoder = frozen(folders[kind])
    for num_samples in (399, 1, 0):
        samples = utterance(400)[:num_samples]
        found = hear(encoder, samples)
        layers = encoder.hear(torch.from_numpy(np.pad(normalise_level(samples), (0, 400 - num_samples))))
        expected = Heard(layers[-1].float(), summarise(layers))
        assert found.statistics is not None and expected.statistics is not None
        assert len(found.feature) == (2 if kind == "whisper" else 1)
        assert found.feature.isfinite().all() and found.statistics.isfinite().all()
        assert torch.equal(found.feature, expected.feature) and torch.equal(found.statistics, expected.statistics)


class Trained:
    """A network on an encoder whose upper layers are trained, after some steps on one batch."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.conf = encoder_conf(folder, **settings)
        sizes = {"channels": 16, "num_layers": 1, "kernel_size": 3, "embedding_dim": 16}
        silent = {"dropout": 0.0, "head_dropout": 0.0, "statistics_dropout": 0.0}
        model_conf = ModelConf(
            front_end="pretrained", pretrained=self.conf, encoder="tdnn", **sizes, **silent  # type: ignore[arg-type]
        )  # fmt: skip
        torch.manual_seed(0)
        self.model = SpeechEqModel(ModelSpec(model_conf, 80, OUTPUTS, describe_encoder(self.conf)))
        encoder = frozen(folder, self.conf.trained_layers)
        heard = [hear(encoder, utterance(num_samples, seed=num_samples)) for num_samples in (16000, 12000, 8000)]
        self.model.front_end.fit(heard)
        self.lengths = torch.tensor([len(item.feature) for item in heard])
        self.frames = pad_sequence([item.feature for item in heard], batch_first=True)
        self.statistics = torch.stack([item.statistics for item in heard if item.statistics is not None])
        self.before = {name: value.clone() for name, value in self.model.state_dict().items()}
        self._train()

    def _train(self) -> None:
        optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=1e-3)
        # The second matrix of an adapter is zero at first, and lets no gradient through to the first one.
        for _ in range(3):
            optimizer.zero_grad()
            numbers = self(self.model.train()).numbers.values()
            weights = [torch.randn(value.shape, generator=torch.Generator().manual_seed(1)) for value in numbers]
            sum((value * weight).sum() for value, weight in zip(numbers, weights, strict=True)).backward()
            optimizer.step()
        self.model.eval()

    def __call__(self, model: SpeechEqModel) -> ModelOutput:
        return model(self.frames, self.lengths, self.statistics)


@pytest.fixture(scope="module", params=[(kind, how) for kind in KINDS for how in ("whole", "adapted")], ids="-".join)
def trained(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Trained:
    """One network of every kind, trained either way, for all tests of what training left."""
    kind, how = request.param
    return Trained(folders[kind], **(WHOLE if how == "whole" else ADAPTED))


def test_what_is_trained_learns_and_nothing_else_changes(trained: Trained) -> None:
    parameters = dict(trained.model.named_parameters())
    upper = {name for name, p in parameters.items() if name.startswith("front_end.upper.") and p.requires_grad}
    assert upper and all("lora_" in name for name in upper) == bool(trained.conf.lora_rank)
    for name, value in trained.model.state_dict().items():
        if name not in parameters or not parameters[name].requires_grad:
            assert torch.equal(value, trained.before[name]), f"{name} changed"
            continue
        gradient = parameters[name].grad
        assert gradient is not None, f"{name} has no gradient"
        assert name.endswith(UNSEEN_BY_SOFTMAX) or gradient.abs().max() > 1e-7, f"{name} has no gradient"
        assert not torch.equal(value, trained.before[name]), f"{name} did not move"


@torch.inference_mode()
def test_a_network_is_built_again_from_its_spec_and_what_is_kept(trained: Trained) -> None:
    kept = kept_weights(trained.model)
    frozen_names = {name for name, p in trained.model.named_parameters() if not p.requires_grad}
    assert not frozen_names & kept.keys() and {"front_end.mean", "front_end.std"} <= kept.keys()
    if trained.conf.lora_rank:
        upper = [name for name in kept if name.startswith("front_end.upper.")]
        assert upper and all("lora_" in name for name in upper)
    torch.manual_seed(1)
    spec = ModelSpec.from_dict(json.loads(json.dumps(trained.model.spec.to_dict())))
    again = SpeechEqModel(spec).eval()
    load_kept_weights(again, kept)
    before, after = trained(trained.model), trained(again)
    for task, numbers in before.numbers.items():
        assert torch.equal(numbers, after.numbers[task])
    if not trained.conf.lora_rank:
        return
    merge_adapters(again)
    merged = trained(again)
    for task, numbers in before.numbers.items():
        torch.testing.assert_close(merged.numbers[task], numbers, atol=1e-5, rtol=0)
    layers = (module for name, module in again.named_modules() if name.endswith("base_layer"))
    originals = (module for name, module in trained.model.named_modules() if name.endswith("base_layer"))
    assert not any(torch.equal(one.weight, two.weight) for one, two in zip(layers, originals, strict=True))


@pytest.mark.parametrize("modules", [["q_proj"], ["intermediate_dense", "attention.v_proj"]])
def test_adapters_that_would_learn_nothing_are_refused(folders: dict[str, Path], modules: list[str]) -> None:
    conf = encoder_conf(folders["wavlm"], lora_modules=modules, **ADAPTED)
    with pytest.raises(
        InputError, match=r"_proj: an adapter of WavLM's attention gets no gradient; adapt intermediate"
    ):
        adapted_layers(conf, describe_encoder(conf))


@pytest.mark.parametrize("modules", [["fc3"], ["fc1", "fc3"]])
def test_modules_that_there_are_not_are_refused(folders: dict[str, Path], modules: list[str]) -> None:
    conf = encoder_conf(folders["whisper"], lora_modules=modules, **ADAPTED)
    with pytest.raises(InputError, match=r"lora_modules has fc3, .*choose from fc1, fc2, k_proj, out_proj"):
        adapted_layers(conf, describe_encoder(conf))


def test_attention_of_other_families_is_adapted_where_it_is_named(folders: dict[str, Path]) -> None:
    conf = encoder_conf(folders["hubert"], lora_modules=["q_proj", "v_proj"], **ADAPTED)
    trained = [name for name, p in adapted_layers(conf, describe_encoder(conf)).named_parameters() if p.requires_grad]
    # Two matrices of two modules in two layers.
    assert len(trained) == 8 and all("q_proj.lora_" in name or "v_proj.lora_" in name for name in trained)


def test_layers_that_there_are_not_are_refused(folders: dict[str, Path]) -> None:
    for number in (-1, NUM_LAYERS + 1):
        with pytest.raises(InputError, match=f"trained_layers is {number}: hubert has 3 layers"):
            describe_encoder(encoder_conf(folders["hubert"], trained_layers=number))
    conf = encoder_conf(folders["hubert"], trained_layers=NUM_LAYERS)
    for number in (-1, NUM_LAYERS + 1):
        model = ModelConf(front_end="pretrained", pretrained=conf, statistics_layers=[1, number])
        with pytest.raises(InputError, match=f"statistics_layers has {number}: hubert has the hidden states 0 to 3"):
            SpeechEqModel(ModelSpec(model, 80, OUTPUTS, describe_encoder(conf)))


@pytest.mark.skipif(real_whisper() is None, reason="no Whisper tiny.en: set SPEECHEQ_WHISPER to its folder")
def test_the_real_whisper_hears_what_transformers_hears() -> None:
    folder = real_whisper()
    assert folder is not None
    conf = encoder_conf(folder, name="openai/whisper-tiny.en")
    spec = describe_encoder(conf)
    assert (spec.dim, spec.num_layers, spec.family, spec.licence) == (384, 6, "whisper", "MIT")
    samples = utterance(2 * 16000 + 37)
    ours = frozen(folder).hear(torch.from_numpy(samples))
    for one, two in zip(ours, layers_by_transformers(folder, samples), strict=True):
        torch.testing.assert_close(one, two, atol=1e-3, rtol=1e-3)

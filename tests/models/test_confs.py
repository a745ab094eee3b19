"""Every file of local/conf, at its own size: a batch says what each utterance alone does, and every weight learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_encoders import DIM, NUM_LAYERS, save_encoder

from seq.models.model import ModelSpec, SpeechEqModel
from seq.models.pretrained.cache import describe_encoder
from seq.tasks.base import Outputs
from seq.utils.model_conf import AugmentConf, FeaturesConf, ModelConf, check_training, model_names, read_model
from seq.utils.typed_values import read_typed

OUTPUTS = {
    "emotion": Outputs("category", ("neutral", "happy")),
    "intensity": Outputs("scale", levels=(0.0, 1.0)),
    "phone": Outputs("sequence", ("<blk>", "A", "B")),
}
# To which a softmax over time is blind.
BLIND = ("pooling.attention.2.bias", "encoder.pooling.attention.2.bias")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return save_encoder(tmp_path_factory.mktemp("encoder") / "whisper")


@pytest.mark.parametrize("name", model_names())
def test_a_batch_says_what_each_utterance_says_and_every_weight_learns(
    name: str, request: pytest.FixtureRequest
) -> None:
    raw = read_model(name)
    conf = read_typed(raw.get("model", {}), ModelConf, name)
    features = read_typed(raw.get("features", {}), FeaturesConf, name)
    check_training(features, read_typed(raw.get("augment", {}), AugmentConf, name), conf)
    spec = None
    if conf.front_end == "pretrained":
        pytest.importorskip("peft")
        conf.pretrained.path = str(request.getfixturevalue("encoder"))
        spec = describe_encoder(conf.pretrained)
    torch.manual_seed(0)
    model = SpeechEqModel(ModelSpec(conf, features.num_filters, OUTPUTS, spec)).eval()
    lengths = torch.tensor([75, 40, 9, 1])
    # Rubbish on the padding: nothing of it may be seen.
    inputs = [torch.randn(4, 75, DIM if spec else features.num_filters) * 3, lengths]
    if spec:
        inputs.append(torch.randn(4, NUM_LAYERS + 2 - spec.num_upper, 2 * DIM))
    with torch.inference_mode():
        together = model(*inputs)
        for i, n in enumerate(lengths.tolist()):
            alone = model(inputs[0][i : i + 1, :n], *(x[i : i + 1] for x in inputs[1:]))
            for task, numbers in together.numbers.items():
                own = numbers[i, : int(alone.lengths[0])] if task == "phone" else numbers[i]
                torch.testing.assert_close(own, alone.numbers[task][0], atol=1e-4, rtol=1e-4)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(2):
        # The second matrix of an adapter is zero at first, and lets no gradient through to the first one.
        optimizer.zero_grad()
        numbers = model(*inputs).numbers.values()
        sum((value * torch.randn_like(value)).sum() for value in numbers).backward()
        optimizer.step()
    dead = [n for n, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert set(dead) <= set(BLIND), dead

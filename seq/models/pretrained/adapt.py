"""The upper layers of an encoder, trained whole or by low-rank adapters (LoRA, Hu et al. 2021), through peft."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from seq.errors import InputError
from seq.models.pretrained.families import UpperLayers, split_encoder
from seq.models.pretrained.spec import EncoderSpec
from seq.utils.model_conf import PretrainedConf

# The feed-forward layers. WavLM's attention reads the weights of q, k and v past whatever wraps them, so that adapters
# there get no gradient (transformers, pull request 48773).
FEED_FORWARD: Final = {"whisper": ["fc1", "fc2"]}
_OTHERS: Final = ["intermediate_dense", "output_dense"]
_UNREACHED: Final = ("q_proj", "k_proj", "v_proj", "out_proj")


def adapted_layers(conf: PretrainedConf, spec: EncoderSpec) -> UpperLayers:
    """The layers above the frozen ones, with the encoder's weights; what is trained of them requires gradients.

    Raises:
        InputError: the encoder is not at hand or another one, or a module to adapt is not there.
    """
    _, upper = split_encoder(spec.checkpoint(conf), conf.trained_layers)
    assert upper is not None
    if not conf.lora_rank:
        upper.layers.requires_grad_(True)
        return upper
    upper.requires_grad_(False)
    modules = conf.lora_modules or FEED_FORWARD.get(spec.family, _OTHERS)
    linear = [name for name, module in upper.layers.named_modules() if isinstance(module, nn.Linear)]
    # As peft reads them: the end of a name. It is content where one of several is there.
    if unknown := [name for name in modules if not any(f".{full}".endswith(f".{name}") for full in linear)]:
        known = ", ".join(sorted({full.rsplit(".", 1)[-1] for full in linear}))
        raise InputError(
            f"model.pretrained.lora_modules has {unknown[0]}, which {spec.name} has not: choose from {known}"
        )
    if spec.family == "wavlm" and (wrong := [name for name in modules if name.endswith(_UNREACHED)]):
        raise InputError(
            f"model.pretrained.lora_modules has {wrong[0]}: an adapter of WavLM's attention gets no gradient; adapt "
            f"{', '.join(_OTHERS)}"
        )
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise InputError("model.pretrained.lora_rank needs peft: install speecheq[encoder]") from error
    settings = LoraConfig(r=conf.lora_rank, lora_alpha=conf.lora_alpha, target_modules=modules)
    inject_adapter_in_model(settings, upper.layers)
    return upper


def merge_adapters(module: nn.Module) -> None:
    """Add what adapters learnt to the weights that they adapt, in place: an exported network is no slower for them."""
    for part in module.modules():
        if hasattr(part, "base_layer") and hasattr(part, "merge"):
            with torch.no_grad():
                part.merge()  # type: ignore[operator]

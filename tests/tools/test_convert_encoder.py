"""A pickled checkpoint becomes safetensors that are heard alike, and nothing that it may hold is run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from corpus_builders import speech_like
from tiny_encoders import encoder_conf, save_encoder

from seq.errors import InputError
from seq.models.pretrained.families import split_encoder
from seq.models.pretrained.source import find_checkpoint
from tools.convert_encoder import convert, main

pytest.importorskip("transformers")


def pickle_weights(folder: Path, num_parts: int = 1) -> int:
    """Turn a checkpoint into one as it was saved years ago; returns how many weights it has."""
    from safetensors.torch import load

    path = folder / "model.safetensors"
    weights = load(path.read_bytes())
    path.unlink()
    # As torch called what its weight_norm splits before it had parametrizations.
    for old, new in (
        ("weight_g", "parametrizations.weight.original0"),
        ("weight_v", "parametrizations.weight.original1"),
    ):
        weights = {name.replace(new, old): value for name, value in weights.items()}
    assert any(name.endswith("pos_conv_embed.conv.weight_g") for name in weights)
    # Two names of one tensor, as tied weights have, and one with gaps.
    weights["tied"] = weights["masked_spec_embed"] if "masked_spec_embed" in weights else next(iter(weights.values()))
    weights["turned"] = torch.arange(6.0).reshape(2, 3).T
    if num_parts == 1:
        torch.save(weights, folder / "pytorch_model.bin")
        return len(weights)
    places = {}
    for number in range(num_parts):
        name = f"pytorch_model-{number + 1:05d}-of-{num_parts:05d}.bin"
        part = dict(list(weights.items())[number::num_parts])
        torch.save(part, folder / name)
        places |= dict.fromkeys(part, name)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return len(weights)


@torch.inference_mode()
def hidden_states(folder: Path) -> list[torch.Tensor]:
    encoder, _ = split_encoder(find_checkpoint(encoder_conf(folder)))
    return encoder.hear(torch.from_numpy(speech_like(0.5, 16000, seed=1)))


@pytest.mark.parametrize(("kind", "num_parts"), [("wav2vec2", 1), ("wav2vec2-large", 3), ("wavlm", 2)])
def test_what_is_converted_is_heard_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, num_parts: int
) -> None:
    folder, new = save_encoder(tmp_path / "old", kind), tmp_path / "deep" / "new"
    expected = hidden_states(folder)
    num_weights = pickle_weights(folder, num_parts)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "training_args.bin").write_bytes(b"not copied")
    with pytest.raises(InputError, match=r"is pickled, .*tools/convert_encoder\.py"):
        find_checkpoint(encoder_conf(folder))
    monkeypatch.setattr(sys, "argv", ["convert_encoder.py", str(folder), str(new)])
    main()
    assert f"{new}: {num_weights} weights" in capsys.readouterr().out
    names = {path.name for path in new.iterdir()}
    weights = (
        {f"model-{n + 1:05d}-of-{num_parts:05d}.safetensors" for n in range(num_parts)} if num_parts > 1 else set()
    )
    weights |= {"model.safetensors.index.json"} if num_parts > 1 else {"model.safetensors"}
    assert names == {"config.json", "preprocessor_config.json", "README.md", *weights}
    assert [path.name for path in new.parent.iterdir()] == ["new"]
    assert find_checkpoint(encoder_conf(new)).licence() == "mit"
    for one, two in zip(hidden_states(new), expected, strict=True):
        assert torch.equal(one, two)


class RunsCode:
    """What a pickle does that nobody should load."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_what_is_more_than_weights_is_refused_and_not_run(tmp_path: Path) -> None:
    folder, new, trace = tmp_path / "old", tmp_path / "new", tmp_path / "trace"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "hubert"}')
    path = folder / "pytorch_model.bin"
    weights = {"weight": torch.zeros(3)}
    refused: list[Any] = [{**weights, "extra": RunsCode(trace)}, {"model": weights}, [1.0], {}]
    for found in refused:
        torch.save(found, path)
        with pytest.raises(
            InputError, match=rf"{path} (is damaged, or holds more than weights|is no table of weights)"
        ):
            convert(folder, new)
    torch.save(weights, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="is damaged, or holds more than weights"):
        convert(folder, new)
    # Nothing ran, and nothing is left.
    assert sorted(tmp_path.iterdir()) == [folder]


def test_what_is_missing_or_there_already_is_said(tmp_path: Path) -> None:
    folder, new = tmp_path / "old", tmp_path / "new"
    with pytest.raises(InputError, match=r"old has no config\.json"):
        convert(folder, new)
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"old has no pytorch_model\.bin and no pytorch_model\.bin\.index\.json"):
        convert(folder, new)
    index = folder / "pytorch_model.bin.index.json"
    for text in ("{", "{}", "[]", '{"weight_map": []}', '{"weight_map": {}}'):
        index.write_text(text)
        with pytest.raises(InputError, match=r"index\.json does not say which file holds which weight"):
            convert(folder, new)
    index.write_text('{"weight_map": {"weight": "pytorch_model-1.bin"}}')
    with pytest.raises(
        InputError, match=r"pytorch_model-1\.bin, which pytorch_model\.bin\.index\.json names, is missing"
    ):
        convert(folder, new)
    new.mkdir()
    with pytest.raises(InputError, match="new is there already: name a new folder"):
        convert(folder, new)

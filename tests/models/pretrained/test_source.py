"""Where an encoder is found, and the one sentence that each thing that is wrong with it gets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_encoders import encoder_conf, save_encoder

from seq.errors import InputError
from seq.models.pretrained.source import fetch_checkpoint, find_checkpoint, may_be_passed_on
from seq.models.pretrained.spec import EncoderSpec
from seq.utils.model_conf import PretrainedConf

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write_folder(folder: Path, family: str = "hubert", weights: bool = True, **preprocessor: Any) -> Path:
    """A checkpoint as far as finding it goes: its weights are never opened."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": family, "num_mel_bins": 80}))
    if preprocessor:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    if weights:
        (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def write_index(folder: Path, *parts: str) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {f"weight{number}": part for number, part in enumerate(parts)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def one_sentence(error: pytest.ExceptionInfo[InputError]) -> str:
    """What was said, which must be one line that ends without a full stop, as every InputError does."""
    text = str(error.value)
    assert "\n" not in text and not text.endswith(".")
    return text


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: folder.rename(folder.with_name("gone")), r"does not exist: .*model\.pretrained\.path"),
        (lambda folder: (folder / "config.json").unlink(), r"has no config\.json: it is not a checkpoint"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json cannot be read as JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), r"config\.json holds no JSON object"),
        (lambda folder: write_folder(folder, "bert"), r"family 'bert'; those that are known: whisper, wav2vec2"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"has no model\.safetensors: copy"),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            r"pytorch_model\.bin is pickled, .*tools/convert_encoder\.py \S+ NEW_FOLDER",
        ),
        (lambda folder: write_index(folder, "model-1.safetensors"), r"model-1\.safetensors is missing: copy"),
        (
            lambda folder: (write_index(folder), (folder / "model.safetensors.index.json").write_text("{")),
            r"model\.safetensors\.index\.json cannot be read as JSON: copy",
        ),
        (lambda folder: write_index(folder), r"model\.safetensors\.index\.json names no weights: copy"),
        (lambda folder: write_folder(folder, sampling_rate=48000), r"hears 48000 Hz; only 16000 Hz"),
        (lambda folder: write_folder(folder, "whisper", feature_size=128), r"makes 128 mel filters, .*wants 80"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path, spoil: Callable[[Path], Any], said: str) -> None:
    folder = write_folder(tmp_path / "encoder")
    spoil(folder)
    with pytest.raises(InputError, match=said) as error:
        find_checkpoint(encoder_conf(folder))
    assert str(folder) in one_sentence(error)


def test_damaged_and_missing_weights_are_said(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from safetensors.torch import load, save_file

    from seq.models.pretrained.cache import describe_encoder

    for kind, lost in (
        ("whisper", "model.encoder.layers.1.fc1.weight"),
        ("hubert", "encoder.layers.1.layer_norm.bias"),
    ):
        folder = save_encoder(tmp_path / kind, kind)
        path = folder / "model.safetensors"
        whole = path.read_bytes()
        weights = load(whole)
        for damaged in (whole[: len(whole) // 2], b"\xff" * len(whole), b""):
            path.write_bytes(damaged)
            with pytest.raises(InputError, match=r"cannot be loaded .*: copy the checkpoint again") as error:
                describe_encoder(encoder_conf(folder))
            assert str(folder) in one_sentence(error)
        found = weights.pop(lost)
        save_file(weights, path, {"format": "pt"})
        with pytest.raises(
            InputError, match=rf"lacks the weights \S*{re.escape(lost.removeprefix('model.'))}:"
        ) as error:
            describe_encoder(encoder_conf(folder))
        one_sentence(error)
        save_file({**weights, lost: found[:-1].clone()}, path, {"format": "pt"})
        with pytest.raises(InputError, match="cannot be loaded"):
            describe_encoder(encoder_conf(folder))


def test_a_conf_without_name_and_path_is_an_error() -> None:
    with pytest.raises(InputError, match=r"names no encoder: .*--set model\.pretrained\.path=DIR"):
        find_checkpoint(PretrainedConf())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, empty, on a machine that reaches no hub."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    # Its client reads this once, when it is imported.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_an_encoder_that_is_nowhere_names_every_way_out(hub: Path) -> None:
    for find in (find_checkpoint, fetch_checkpoint):
        with pytest.raises(InputError) as error:
            find(PretrainedConf(name="openai/whisper-tiny.en", revision="v1"))
        sentence = one_sentence(error)
        for way in ("openai/whisper-tiny.en (revision v1)", "model.pretrained.path=DIR", str(hub), "--model scratch"):
            assert way in sentence


def test_the_hubs_cache_is_read_and_its_commit_kept(hub: Path) -> None:
    repository = hub / "models--org--encoder"
    folder = write_folder(repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for revision in ("main", COMMIT):
        found = fetch_checkpoint(PretrainedConf(name="org/encoder", revision=revision))
        assert (found.folder, found.name, found.revision) == (folder, "org/encoder", COMMIT)
    with pytest.raises(InputError, match=r"revision v2\) is not on this machine"):
        find_checkpoint(PretrainedConf(name="org/encoder", revision="v2"))


@pytest.mark.parametrize("parts", [(), ("model-1-of-2.safetensors",)])
def test_a_download_that_was_stopped_is_gone_on_with(
    hub: Path, monkeypatch: pytest.MonkeyPatch, parts: tuple[str, ...]
) -> None:
    """The client writes into the same cache: what is there is not fetched twice."""
    import huggingface_hub

    folder = hub / "models--org--encoder" / "snapshots" / COMMIT
    both = ("model-1-of-2.safetensors", "model-2-of-2.safetensors")
    asked = []

    def download(name: str, revision: str, cache_dir: Path, allow_patterns: list[str]) -> str:
        asked.append((name, revision, cache_dir))
        assert not any(pattern.endswith(("bin", "pt", "*")) for pattern in allow_patterns)
        write_index(write_folder(folder), *both)
        for part in both:
            (folder / part).write_bytes(b"weights")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    write_index(write_folder(folder), *both)
    for part in parts:
        (folder / part).write_bytes(b"weights")
    conf = PretrainedConf(name="org/encoder", revision=COMMIT)
    with pytest.raises(InputError, match="is not on this machine"):
        find_checkpoint(conf)
    for _ in range(2):
        assert [path.name for path in fetch_checkpoint(conf).weights()] == list(both)
    assert asked == [("org/encoder", COMMIT, hub)]


def test_a_model_that_the_hub_has_only_pickled_says_how_to_convert_it(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    folder = hub / "models--org--encoder" / "snapshots" / COMMIT
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *args, **kwargs: write_folder(folder, weights=False)
    )
    with pytest.raises(InputError, match=r"org/encoder has only pickled weights .*tools/convert_encoder\.py") as error:
        fetch_checkpoint(PretrainedConf(name="org/encoder", revision=COMMIT))
    one_sentence(error)


def test_another_encoder_than_the_networks_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "encoder")
    found = find_checkpoint(encoder_conf(folder))
    spec = EncoderSpec("encoder", None, found.digest(), None, "hubert", 32, 4)
    assert spec.checkpoint(encoder_conf(folder)).folder == folder
    (folder / "model.safetensors").write_bytes(b"others")
    with pytest.raises(InputError, match=rf"another encoder than encoder with SHA-256 {spec.sha256[:12]}") as error:
        spec.checkpoint(encoder_conf(folder))
    assert str(folder) in one_sentence(error)
    # The same parts in another order are the same encoder; one that changed is not.
    write_index(folder, "b.safetensors", "a.safetensors")
    for part in "ab":
        (folder / f"{part}.safetensors").write_bytes(part.encode())
    first = found.digest()
    reordered = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(reordered))
    assert found.digest() == first
    (folder / "b.safetensors").write_bytes(b"c")
    assert found.digest() != first


@pytest.mark.parametrize(
    ("card", "name", "licence"),
    [
        ("---\nlanguage: en\nlicense: mit\n---\n", "org/encoder", "mit"),
        ('---\nlicense: "apache-2.0"\ntags: [x]\n---\n', "org/encoder", "apache-2.0"),
        ("---\nlicense:\n- cc-by-4.0\n---\n", "org/encoder", "cc-by-4.0"),
        # What the card says is what counts.
        ("---\nlicense: other\n---\n", "openai/whisper-tiny.en", "other"),
        ("---\nlicense:\ntags:\n- speech\n---\n", "org/encoder", None),
        ("No front matter.\n", "openai/whisper-tiny.en", "MIT"),
        (None, "facebook/wav2vec2-base", "Apache-2.0"),
        (None, "org/encoder", None),
    ],
)
def test_the_licence_is_read_or_known(tmp_path: Path, card: str | None, name: str, licence: str | None) -> None:
    folder = write_folder(tmp_path / name.rsplit("/", 1)[-1])
    if card is not None:
        (folder / "README.md").write_text(card)
    found = find_checkpoint(encoder_conf(folder, name=name)).licence()
    assert found == licence and may_be_passed_on(found) == (licence not in (None, "other"))


def test_a_folder_of_another_name_is_not_given_the_hubs(tmp_path: Path) -> None:
    """Whoever names a folder beside the conf's own encoder does not get that one's name and licence."""
    found = find_checkpoint(encoder_conf(write_folder(tmp_path / "wavlm"), name="openai/whisper-tiny.en"))
    assert found.name == "wavlm" and found.licence() is None

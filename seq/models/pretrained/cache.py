"""Stage 2 of a pretrained encoder: its frozen part hears every utterance, once, for all folds, seeds and tasks.

What is kept is in `seq.data.encoded`. An array that is there already is not made again.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lhotse import MonoCut
from lhotse.array import Array
from lhotse.utils import fastcopy

from seq.audio.level import LEVEL_DB, normalise_level
from seq.audio.reading import SAMPLING_RATE, load_cut_audio
from seq.conf import Conf
from seq.data.augment import change_speed
from seq.data.cut_jobs import rewrite_cuts
from seq.data.degrade import degrade, noise_files
from seq.data.encoded import FRAMES, STATISTICS, Heard, Variant, array_name, cached_variants, summarise
from seq.data.voices import draw_voices
from seq.data.whole_recording import SEGMENT, changed_audio
from seq.errors import InputError
from seq.models.pretrained.families import FrozenEncoder, split_encoder
from seq.models.pretrained.source import find_checkpoint
from seq.models.pretrained.spec import ENCODER_JSON, FRAME_SECONDS, EncoderSpec
from seq.utils.files import atomic_path, content_digest, read_json, read_jsonl, update_json, write_json
from seq.utils.model_conf import AugmentConf, PretrainedConf
from seq.utils.pool import Workers

# In the storage: what its arrays were made from.
MADE_FROM = "made_from.json"
# Every array has a header, and ends somewhere in a block of the disk: so many bytes on top of its values.
FILE_OVERHEAD = 4096


@dataclass(frozen=True)
class Cache:
    """What a worker process is told."""

    conf: PretrainedConf
    augment: AugmentConf
    variants: list[Variant]
    # In which the voices of babble are found.
    cuts: Path
    trim: bool
    storage: Path
    device: str


@lru_cache(maxsize=1)
def open_frozen(conf_items: tuple[tuple[str, Any], ...], num_upper: int, device: str) -> FrozenEncoder:
    """The frozen part of an encoder, loaded once per process."""
    return split_encoder(find_checkpoint(PretrainedConf(**dict(conf_items))), num_upper)[0].to(device)


def frozen_encoder(conf: PretrainedConf, device: torch.device | str = "cpu") -> FrozenEncoder:
    """What a conf lets hear: the encoder that it names, below the layers that it trains."""
    return open_frozen((("name", conf.name), ("path", conf.path), ("revision", conf.revision)), conf.trained_layers,
                       str(device))  # fmt: skip


def describe_encoder(conf: PretrainedConf) -> EncoderSpec:
    """The encoder that a conf names. Raises InputError where it is not there, damaged, or has too few layers."""
    checkpoint = find_checkpoint(conf)
    frozen, upper = split_encoder(checkpoint, conf.trained_layers)
    return EncoderSpec(
        checkpoint.name,
        checkpoint.revision,
        checkpoint.digest(),
        checkpoint.licence(),
        checkpoint.family,
        frozen.dim,
        frozen.num_outputs,
        upper.num_outputs if upper is not None else 0,
    )


@torch.inference_mode()
def hear(encoder: FrozenEncoder, samples: np.ndarray, device: torch.device | str = "cpu") -> Heard:
    """What a frozen encoder says of (S,) samples, 16 kHz, of any duration, at one level, on the CPU."""
    layers = encoder.hear(torch.from_numpy(normalise_level(samples)).to(device))
    return Heard(layers[-1].float().cpu(), summarise(layers).cpu())


def prepare_encoded(
    conf: Conf, cuts: Path, out: Path, storage: Path, workers: Workers = 1, device: torch.device | str = "cpu"
) -> None:
    """Let the encoder hear all cuts of a manifest; write the cuts with what it said, and encoder.json beside them.

    Killed, it goes on where it was when it is called again.

    Raises:
        InputError: the encoder is not what it must be, audio cannot be read any more, or the disk is too small.
    """
    variants = cached_variants(conf)
    spec = describe_encoder(conf.model.pretrained)
    storage = storage.resolve()
    _open_storage(storage, {"encoder": spec.to_dict(), "cuts": content_digest(cuts), "level_db": LEVEL_DB})
    _check_size(cuts, storage, spec, variants)
    if conf.augment.copies and conf.augment.noise_dir:
        noise_files(conf.augment.noise_dir)
    cache = Cache(conf.model.pretrained, conf.augment, variants, cuts, conf.features.trim, storage, str(device))
    work = partial(_encode, cache=cache)
    if str(device) != "cpu" and isinstance(workers, int):
        workers = 1
    preload = ["seq.models.pretrained.cache", "transformers.modeling_utils"]
    total = rewrite_cuts(work, cuts, out, spec.name, workers, preload)
    write_json(out.parent / ENCODER_JSON, spec.to_dict())
    print(f"{out}: {total} utterances heard by {spec.name} {_listed(variants)}, in {storage}")


def _listed(variants: list[Variant]) -> str:
    speeds = ", ".join(f"{variant:g}" for variant in variants if not isinstance(variant, str))
    copies = sum(isinstance(variant, str) for variant in variants)
    return f"at the speeds {speeds}" + (f" and as {copies} copies" if copies else "")


def _open_storage(storage: Path, made_from: dict[str, Any]) -> None:
    """Empty a storage whose arrays were made from something else."""
    marker = storage / MADE_FROM
    if storage.exists() and (not marker.is_file() or read_json(marker) != made_from):
        shutil.rmtree(storage)
    storage.mkdir(parents=True, exist_ok=True)
    update_json(marker, made_from)


def _check_size(cuts: Path, storage: Path, spec: EncoderSpec, variants: list[Variant]) -> None:
    """Say how much will lie on the disk. Raises InputError where that is more than there is room for."""
    speeds = [variant for variant in variants if not isinstance(variant, str)]
    copies, count, frames = len(variants) - len(speeds), 0, 0.0
    for cut in read_jsonl(cuts):
        count += 1
        # What is trimmed of an utterance may stay in a copy, where noise is behind it.
        longest = cut["duration"]
        if copies and SEGMENT not in cut["supervisions"][0].get("custom", {}):
            longest = cut["recording"]["duration"]
        frames += (copies * longest + sum(cut["duration"] / speed for speed in speeds)) / FRAME_SECONDS
    size = frames * spec.dim * 2 + len(variants) * count * (spec.num_frozen * spec.dim * 8 + 2 * FILE_OVERHEAD)
    there = sum(path.stat().st_size + FILE_OVERHEAD for path in storage.rglob("*.npy"))
    free = shutil.disk_usage(storage).free
    print(f"{storage}: {count} utterances {_listed(variants)} take about {size / 1e6:.0f} MB", flush=True)
    if size - there > free:
        raise InputError(
            f"the disk of {storage} has room for {free / 1e6:.0f} MB: free some, list fewer augment.speeds, ask for "
            "fewer augment.copies, or set augment.on_the_fly=true"
        )


def _encode(cuts: list[MonoCut], cache: Cache) -> list[MonoCut]:
    encoder = frozen_encoder(cache.conf, cache.device)
    return [_encode_cut(cut, encoder, cache) for cut in cuts]


def _encode_cut(cut: MonoCut, encoder: FrozenEncoder, cache: Cache) -> MonoCut:
    samples: np.ndarray | None = None
    custom = dict(cut.custom or {})
    for variant in cache.variants:
        names = [array_name(what, variant) for what in (FRAMES, STATISTICS)]
        arrays = [_stored(cache.storage, cut.id, name) for name in names]
        if None in arrays:
            if isinstance(variant, str):
                changed = _copy(variant, cut, cache)
            else:
                samples = load_cut_audio(cut) if samples is None else samples
                changed = change_speed(samples, SAMPLING_RATE, variant)
            heard = hear(encoder, changed, cache.device)
            assert heard.statistics is not None
            values = (heard.feature.numpy().astype(np.float16), heard.statistics.numpy())
            arrays = [_store(cache.storage, cut.id, name, value) for name, value in zip(names, values, strict=True)]
        custom |= dict(zip(names, arrays, strict=True))
    return fastcopy(cut, custom=custom)


def _copy(name: str, cut: MonoCut, cache: Cache) -> np.ndarray:
    """(S,) samples of a copy, drawn anew for every utterance."""
    rng = random.Random(f"{name}/{cut.id}")

    def change(samples: np.ndarray) -> np.ndarray:
        samples = change_speed(samples, SAMPLING_RATE, rng.choice(cache.augment.speeds))
        return degrade(samples, cache.augment, rng, draw_voices(cache.cuts, cut, rng))

    return changed_audio(cut, change, cache.trim)


def _path(storage: Path, key: str, name: str) -> Path:
    # Some file systems are slow where a folder holds too many files.
    return storage / name / hashlib.sha256(key.encode()).hexdigest()[:2] / f"{key}.npy"


def _manifest(storage: Path, path: Path, shape: tuple[int, ...]) -> Array:
    return Array("numpy_files", str(storage), str(path.relative_to(storage)), list(shape))


def _stored(storage: Path, key: str, name: str) -> Array | None:
    """An array of an earlier run that was stopped; None where it is not there."""
    path = _path(storage, key, name)
    if not path.is_file():
        return None
    try:
        return _manifest(storage, path, np.load(path, mmap_mode="r").shape)
    except (OSError, ValueError):
        return None


def _store(storage: Path, key: str, name: str, value: np.ndarray) -> Array:
    path = _path(storage, key, name)
    with atomic_path(path) as temporary:
        np.save(temporary, value)
    return _manifest(storage, path, value.shape)

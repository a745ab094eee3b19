"""Lhotse Shar: cuts and their features in a few tar files that are read from one end to the other.

What is exported is what stage 2 made, without loss; a folder of shards stands wherever a manifest of cuts does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seq.errors import InputError
from seq.utils.files import read_jsonl

if TYPE_CHECKING:
    from lhotse import CutSet


def manifest_files(cuts: Path) -> list[Path]:
    """The JSON-lines files of a manifest: itself, or the manifests of the shards in a folder, in order.

    Raises:
        InputError: the folder holds no shards.
    """
    if not cuts.is_dir():
        return [cuts]
    shards = sorted(cuts.glob("cuts.*.jsonl.gz"))
    if not shards:
        raise InputError(f"{cuts} holds no Shar (cuts.000000.jsonl.gz, ...): make it with local/export_shar.py")
    return shards


def read_cuts(cuts: Path) -> CutSet:
    """The cuts of a manifest or of a folder of shards, lazily: memory does not grow with the corpus."""
    # Lhotse takes seconds to import, and what only lists files should not pay for it.
    from lhotse import CutSet

    if not cuts.exists():
        raise InputError(f"{cuts} does not exist: run stage 2 (features) first")
    return CutSet.from_shar(in_dir=cuts) if cuts.is_dir() else CutSet.from_jsonl_lazy(cuts)


def open_cuts(path: Path, ids: list[str]) -> CutSet:
    """The cuts of a manifest, or of a folder of Shar, whose ids are given: read lazily."""
    return read_cuts(path).filter(_IdFilter(frozenset(ids)))


class _IdFilter:
    # A class and not a lambda, so that data loader workers can be spawned.
    def __init__(self, ids: frozenset[str]) -> None:
        self.ids = ids

    def __call__(self, cut: object) -> bool:
        return cut.id in self.ids  # type: ignore[attr-defined]


def export_shar(cuts: Path, out: Path, shard_size: int) -> int:
    """Write cuts with features as shards of `shard_size` utterances; returns how many utterances there are.

    Raises:
        InputError: `cuts` is missing or has no features, or `out` holds something already.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: name another folder, or remove it")
    if shard_size < 1:
        raise InputError(f"--shard-size {shard_size}: a shard needs one utterance at least")
    first = next(iter(read_cuts(cuts)), None)
    if first is None or not first.has_features:
        raise InputError(f"{cuts} has no cuts with features: pass what stage 2 wrote (data/fbank/..._cuts.jsonl.gz)")
    out.mkdir(parents=True, exist_ok=True)
    # Lhotse's default for features, lilcom, loses precision.
    read_cuts(cuts).to_shar(out, fields={"features": "numpy"}, shard_size=shard_size, num_jobs=1)
    return sum(1 for path in manifest_files(out) for _ in read_jsonl(path))

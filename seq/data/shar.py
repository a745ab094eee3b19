"""Lhotse Shar: cuts and their features in a few tar files that are read from one end to the other.

What is exported is what stage 2 made, without loss; a folder of shards stands wherever a manifest of cuts does. The tar
files may stay in an object store or on a web server: `fetch_shar` makes a folder that has all but these.
"""

from __future__ import annotations

import importlib.util
import itertools
import random
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seq.data.epoch import Epoch
from seq.errors import InputError
from seq.utils.files import atomic_path, read_json, read_jsonl, write_json

if TYPE_CHECKING:
    from lhotse import CutSet
    from lhotse.cut import MonoCut

# Of a folder whose features are elsewhere: where.
REMOTE_JSON = "remote.json"


@dataclass(frozen=True)
class Shard:
    """A manifest here, and the tar file of its features, which may have an address instead of a path."""

    cuts: Path
    features: str


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


def open_shards(folder: Path) -> list[Shard]:
    """The shards of a folder, in order. Raises InputError where there are none, or their server cannot be asked."""
    remote = folder / REMOTE_JSON
    base = str(read_json(remote)["url"]) if remote.exists() else str(folder)
    if remote.exists():
        check_opener(base)
    return [Shard(path, f"{base}/features.{path.name.split('.')[1]}.tar") for path in manifest_files(folder)]


def check_opener(url: str) -> None:
    """Raises InputError where nothing is installed that opens addresses."""
    if importlib.util.find_spec("smart_open") is None:
        raise InputError(f"{url} is opened by smart_open, which is not installed: pip install 'speecheq[remote]'")


def read_cuts(cuts: Path) -> CutSet:
    """The cuts of a manifest or of a folder of shards, lazily: memory does not grow with the corpus."""
    # Lhotse takes seconds to import, and what only lists files should not pay for it.
    from lhotse import CutSet

    if not cuts.exists():
        raise InputError(f"{cuts} does not exist: run stage 2 (features) first")
    return CutSet(Shards(open_shards(cuts))) if cuts.is_dir() else CutSet.from_jsonl_lazy(cuts)


def open_cuts(path: Path, ids: list[str]) -> CutSet:
    """The cuts of a manifest, or of a folder of Shar, whose ids are given, in their order: read lazily."""
    from lhotse import CutSet

    return CutSet(wanted_shards(path, ids)) if path.is_dir() else read_cuts(path).filter(_IdFilter(frozenset(ids)))


def shuffled_cuts(path: Path, ids: list[str], epoch: Epoch, rank: int = 0, world_size: int = 1) -> CutSet:
    """The same as training reads them: of a folder of Shar a rank's share, in the epoch's order of shards."""
    from lhotse import CutSet

    if not path.is_dir():
        return open_cuts(path, ids)
    return CutSet(wanted_shards(path, ids).drawn(epoch, rank, world_size))


def open_labels(path: Path, ids: list[str]) -> CutSet:
    """The same for who needs no features: of shards, their manifests alone are read."""
    from lhotse import CutSet

    files = (CutSet.from_jsonl_lazy(file) for file in manifest_files(path))
    return CutSet(_Chain(list(files))).filter(_IdFilter(frozenset(ids)))


def wanted_shards(folder: Path, ids: list[str]) -> Shards:
    """The cuts whose ids are given, of the shards that have any of them."""
    wanted = frozenset(ids)
    shards = [shard for shard in open_shards(folder) if any(cut["id"] in wanted for cut in read_jsonl(shard.cuts))]
    return Shards(shards, wanted)


class Shards:
    """The cuts of shards; those that are wanted, if not all.

    With an epoch, shards come in an order that follows from seed and epoch; ranks then see shards of their own. Of
    those that are left where the ranks do not divide their number, each rank sees every so many-th cut.
    """

    def __init__(
        self,
        shards: list[Shard],
        wanted: frozenset[str] | None = None,
        epoch: Epoch | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.shards, self.wanted, self.epoch, self.rank, self.world_size = shards, wanted, epoch, rank, world_size

    def drawn(self, epoch: Epoch, rank: int, world_size: int) -> Shards:
        """The share of a rank, in the order of an epoch."""
        return Shards(self.shards, self.wanted, epoch, rank, world_size)

    def __iter__(self) -> Iterator[MonoCut]:
        shards = list(self.shards)
        if self.epoch is not None:
            random.Random(f"{self.epoch.seed} {self.epoch.number}").shuffle(shards)
        whole = len(shards) - len(shards) % self.world_size
        for shard in shards[self.rank : whole : self.world_size]:
            yield from self._wanted(shard)
        for shard in shards[whole:]:
            yield from itertools.islice(self._wanted(shard), self.rank, None, self.world_size)

    def _wanted(self, shard: Shard) -> Iterator[MonoCut]:
        return (cut for cut in _read_shard(shard) if self.wanted is None or cut.id in self.wanted)


def _read_shard(shard: Shard) -> Iterator[MonoCut]:
    """All cuts of a shard. Raises InputError where it cannot be read to its end: Lhotse may take that for the end."""
    from lhotse import CutSet

    number, expected = 0, sum(1 for _ in read_jsonl(shard.cuts))
    try:
        for cut in CutSet.from_shar(fields={"cuts": [str(shard.cuts)], "features": [shard.features]}):
            number += 1
            yield cut
    # What smart_open and Lhotse raise of an address that does not answer.
    except (OSError, ValueError, RuntimeError, AssertionError, tarfile.TarError) as error:
        raise InputError(
            f"{shard.features} cannot be read ({error}): see that it is there, and run the same command again"
        ) from error
    if number != expected:
        raise InputError(
            f"{shard.features} ends after {number} of the {expected} utterances of {shard.cuts.name}: copy it again, "
            "or see that its server is well, and run the same command again"
        )


class _Chain:
    def __init__(self, parts: list[CutSet]) -> None:
        self.parts = parts

    def __iter__(self) -> Iterator[MonoCut]:
        return itertools.chain.from_iterable(self.parts)


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


def fetch_shar(url: str, num_shards: int, out: Path) -> None:
    """Make a folder of shards whose features stay at `url`: their manifests are copied, those that lack.

    Raises:
        InputError: a manifest cannot be had, or `out` has shards of somewhere else.
    """
    check_opener(url)
    from smart_open import open as open_url

    url = url.rstrip("/")
    remote = out / REMOTE_JSON
    if manifests := list(out.glob("cuts.*")):
        known = read_json(remote)["url"] if remote.exists() else "another export"
        if known != url:
            raise InputError(f"{out} has {len(manifests)} shards of {known}: name another folder, or remove it")
    write_json(remote, {"url": url})
    for number in range(num_shards):
        name = f"cuts.{number:06d}.jsonl.gz"
        if (out / name).exists():
            continue
        try:
            with (
                open_url(f"{url}/{name}", "rb", compression="disable") as source,
                atomic_path(out / name) as temporary,
                open(temporary, "wb") as target,
            ):
                shutil.copyfileobj(source, target)
        # Each kind of store has errors of its own.
        except Exception as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise
            raise InputError(
                f"{url}/{name} cannot be read ({error}): correct --url or --shards, or run the same command again"
            ) from error

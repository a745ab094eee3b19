"""What takes long to compute of every utterance of a corpus, kept beside its experiments until something changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from lhotse import CutSet, MonoCut

from seq.errors import InputError
from seq.utils.files import atomic_path, sha256

Arrays = dict[str, np.ndarray]


def kept_arrays(cuts: Path, cache: Path, version: str, compute: Callable[[list[MonoCut]], Arrays]) -> Arrays:
    """What `compute` gives for all utterances of a manifest, and their `ids`; read from `cache` (.npz) where it can be.

    Args:
        version: what the values depend on beside the manifest.

    Raises:
        InputError: the manifest is missing, or as `compute`.
    """
    if not cuts.is_file():
        raise InputError(f"{cuts} does not exist: run stage 1 (manifests) first")
    key = f"{version} {sha256(cuts)}"
    if cache.exists():
        with np.load(cache, allow_pickle=False) as stored:
            if str(stored["key"]) == key:
                return {name: stored[name] for name in stored.files if name != "key"}
    items = list(CutSet.from_file(cuts))
    arrays = {"ids": np.array([cut.id for cut in items]), **compute(items)}
    with atomic_path(cache) as temporary, open(temporary, "wb") as file:
        np.savez(file, **{"key": np.array(key), **arrays})  # type: ignore[arg-type]  # allow_pickle is no array
    return arrays

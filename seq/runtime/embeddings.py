"""The pooled vectors of recordings as one .npz, for people who train classifiers of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from seq.runtime.batch import Outcome
from seq.runtime.output import utf8
from seq.utils.files import atomic_path, remove_leftovers_of


@contextmanager
def open_embeddings(path: Path | None) -> Iterator[Callable[[Outcome], None]]:
    """Take outcomes and write, at the end, the vectors of those that have an answer; without a path, nothing.

    The file holds `ids` (N,), a recording's path where it has none, `paths` (N,) and `embeddings` (N, D) float32, in
    the order of outcomes, and is read without pickle.
    """
    ids: list[str] = []
    paths: list[str] = []
    vectors: list[np.ndarray] = []

    def keep(outcome: Outcome) -> None:
        if path is not None and outcome.result is not None and outcome.result.embedding is not None:
            item = outcome.item
            ids.append(utf8(item.path if item.id is None else item.id))
            paths.append(utf8(item.path))
            vectors.append(outcome.result.embedding)

    yield keep
    if path is None:
        return
    remove_leftovers_of(path)
    rows = np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, ids=np.array(ids, dtype=str), paths=np.array(paths, dtype=str), embeddings=rows)

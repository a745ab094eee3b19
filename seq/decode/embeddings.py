"""embeddings.npz: the vector that the heads read, of each utterance of a run's test part. Stage 6 writes, 8 draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seq.utils.files import atomic_path
from seq.utils.run_folder import RunFolder


def write_embeddings(run_dir: Path, vectors: dict[str, np.ndarray]) -> None:
    """`ids` (N,) and `embeddings` (N, embedding_dim) float32; loadable without pickle."""
    with atomic_path(RunFolder(run_dir).embeddings) as temporary, open(temporary, "wb") as file:
        rows = np.stack(list(vectors.values())) if vectors else np.zeros((0, 0), np.float32)
        np.savez(file, ids=np.array(list(vectors), dtype=str), embeddings=rows)


def read_embeddings(run_dir: Path) -> dict[str, np.ndarray]:
    """(embedding_dim,) by id; empty where stage 6 wrote none."""
    path = RunFolder(run_dir).embeddings
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return dict(zip(file["ids"].tolist(), file["embeddings"], strict=True))

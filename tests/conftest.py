"""The longest files first, so that of processes side by side (tools/test.sh) none works alone at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
LONGEST = (
    "studies/test_reproduce_paper.py",
    "recipes/test_recipe.py",
    "train/test_cluster.py",
    "recipes/test_new_corpus.py",
    "train/test_ranks.py",
    "studies/test_robustness.py",
    "train/test_training.py",
    "unified/test_unified.py",
    "recipes/test_encoder_recipe.py",
)
PLACES = {HERE / name: place for place, name in enumerate(LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the order within a file, and that of the other files."""
    items.sort(key=lambda item: PLACES.get(item.path, len(PLACES)))

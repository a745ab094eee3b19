"""The toy recipe, for the tests of its runner."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_recipe import SCRIPTS, Toy


@pytest.fixture(scope="package")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toy = Toy(tmp_path_factory.mktemp("finished") / "tree")
    toy.build()
    toy.run("--corpus-dir", str(toy.corpus))
    assert tuple(toy.names()) == SCRIPTS
    return toy.root


@pytest.fixture
def toy(finished: Path) -> Iterator[Toy]:
    """The finished toy recipe; its state is put back afterwards."""
    saved = finished.with_name("saved")
    shutil.copytree(finished, saved)
    yield Toy(finished)
    shutil.rmtree(finished)
    saved.rename(finished)

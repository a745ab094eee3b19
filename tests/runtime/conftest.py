"""One tiny model for all tests of prediction: training it takes longer than most of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from exported_model import make_model_folder

from seq import load
from seq.runtime.model import Model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Model:
    return load(model_folder)

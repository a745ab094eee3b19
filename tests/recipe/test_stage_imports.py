"""Stages that only read and write JSON start at once: torch takes seconds to import, in every run of every recipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import runpy, sys
runpy.run_path(sys.argv[1])
print(*sorted({"torch", "lhotse", "scipy.stats", "sklearn", "matplotlib"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    "script", ["prepare_corpus", "prepare_folds", "prepare_lang", "score_predictions", "report_scores"]
)
def test_a_stage_that_reads_json_imports_no_training_library(script: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(ROOT / f"local/{script}.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []

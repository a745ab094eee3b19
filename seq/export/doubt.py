"""Temperatures, and when an answer is called uncertain: fitted on valid, under conditions if it was decoded so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from seq.export.whole_run import WholeRun
from seq.runtime.doubts import FittedOn
from seq.score.calibration import Calibration, calibrate
from seq.score.doubt import fit_doubt, risk_curve, valid_under_conditions
from seq.train.checkpoint import checkpoint_path
from seq.utils.files import sha256

CLEAN_ALONE: Final = (
    "clean speech alone: `local/test_robustness.py --part valid` decodes valid under conditions; then export again"
)


def fit_calibration(
    run_dir: Path, epoch: int, run: WholeRun, main: str | None, categories: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Calibration], FittedOn | None]:
    """The calibration of every category, and what the threshold of `main` was fitted on.

    Args:
        epoch: of the weights that answer.
        categories: the labels of each.
    """
    found = {name: calibrate(run.valid, run.test, name, labels) for name, labels in categories.items()}
    if main is None:
        return found, None
    labels = categories[main]
    conditions = valid_under_conditions(run_dir, sha256(checkpoint_path(run_dir, epoch)))
    doubt = fit_doubt(run.valid, conditions, main, labels, found[main]["temperature"])
    found[main] = calibrate(run.valid, run.test, main, labels, doubt.threshold)
    return found, {
        "conditions": list(doubt.conditions),
        "num_answers": len(doubt.answers.right),
        "curve": risk_curve(doubt.answers),
    }

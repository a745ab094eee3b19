"""robustness.json, typed: what an experiment's answers are worth under everyday changes of the recording."""

from __future__ import annotations

from typing import Any, Final, TypedDict

from seq.score.types import TaskScores
from seq.utils.run_folder import DecodedPart

# The files of an experiment that hold what was found, less their suffixes.
NAME: Final = "robustness"


def result_name(part: DecodedPart) -> str:
    """What the files of one part are called, less their suffixes."""
    return NAME if part == "test" else f"{NAME}_{part}"


class ConditionScores(TypedDict):
    """Under one condition; a metric of several seeds is their mean, and `<metric>_ci95` an interval over speakers."""

    name: str
    group: str
    # Whether training may have heard the very same.
    heard: bool
    num_utterances: int
    # By task.
    tasks: dict[str, TaskScores]
    # `seq.score.selective.Selective`, and the expected calibration error after the temperature that valid chose.
    selective: dict[str, Any]
    ece: float


class Robustness(TypedDict):
    """robustness.json."""

    experiment: str
    corpus: str
    protocol: str
    part: DecodedPart
    folds: list[int]
    seeds: list[int]
    command: str
    commit: str | None
    # The task that is judged, and its metric.
    task: str
    metric: str
    interval: str
    # The conditions on valid that the threshold of `uncertain` was fitted on; none: clean speech alone.
    fitted_on: list[str]
    conditions: list[ConditionScores]
    # The metric's mean over each group's conditions, and as a share of clean.
    groups: dict[str, dict[str, Any]]
    # Every group counts once: the mean over groups, as a share of clean, and AURC over all answers.
    overall: dict[str, Any]

"""What a table of robustness rests on, small enough to be committed: every answer, how sure it was, whether marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seq.report.kept_results import PROBABILITY_DIGITS, keep_json, kept_dir
from seq.studies.robustness_scores import Answers, read_answers
from seq.studies.robustness_types import Robustness, result_name
from seq.tasks.base import Setting
from seq.tasks.registry import get_task
from seq.train.experiment import Experiment
from seq.utils.provenance import without_private_paths


def keep_robustness(experiment: Experiment, found: Robustness) -> Path:
    """Write egs/<corpus>/results/<name>/robustness.json.gz (of valid: robustness_valid.json.gz); returns its path.

    `scores` is `found`; `utterances` are id, speaker and reference (a number among `labels`), in the order of the
    answers; `answers` has for every condition and seed `hyp`, `confidence` (calibrated, four decimals) and `marked`.

    Raises:
        InputError: predictions are missing, or the experiment is not in an exp folder.
    """
    answers = read_answers(experiment, found["folds"], found["seeds"], found["part"])
    clean = next(iter(answers.values()))[0]
    outputs = get_task(found["task"]).outputs(Setting(experiment.protocol, experiment.conf.corpus))
    target = kept_dir(experiment.exp_dir) / f"{result_name(found['part'])}.json.gz"
    content = {
        "scores": {**found, "command": without_private_paths(found["command"])},
        "labels": outputs.labels,
        "utterances": [[row.id, row.speaker, int(ref)] for row, ref in zip(clean.rows, clean.refs, strict=True)],
        "answers": {condition.name: [_compact(own) for own in runs] for condition, runs in answers.items()},
    }
    keep_json(content, target)
    return target


def _compact(own: Answers) -> dict[str, Any]:
    return {
        "hyp": own.probs.argmax(axis=1).tolist(),
        "confidence": np.round(own.confidence, PROBABILITY_DIGITS).tolist(),
        "marked": own.marked.astype(int).tolist(),
    }

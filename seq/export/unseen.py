"""What heads that spell are worth on sentences that training never heard; those that mean little are left out.

A network that was trained on two sentences answers every recording in the world with one of them, and scores well
where the test speakers say them, too. So only sentences count that nobody says in train: those of the run's own test
part, or, where it has none, those of other experiments with the same model (a protocol that keeps sentences apart).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from seq.errors import InputError
from seq.export.whole_run import WholeRun, recipe_of, sentences_of
from seq.runtime.doubts import Unseen
from seq.score.types import metric, read_scores
from seq.tasks.base import Outputs, Task
from seq.tasks.registry import in_order
from seq.utils.files import read_json

# Above this share of wrong symbols, more is wrong than right.
MAX_ERRORS: Final = 0.5


def measure_unseen(run: WholeRun, run_dir: Path, outputs: Mapping[str, Outputs], model: str) -> dict[str, Unseen]:
    """Of every head that spells, its error rate on sentences never heard in training; None where nobody knows.

    Args:
        model: the name of the conf that the run was trained with; experiments of others say nothing of it.
    """
    found: dict[str, Unseen] = {}
    for task in in_order(outputs):
        if task.kind == "sequence":
            found[task.name] = _own(task, run, outputs[task.name]) or _of_others(task, run_dir, model)
    return found


def _own(task: Task, run: WholeRun, outputs: Outputs) -> Unseen | None:
    if run.fold is None or run.manifest is None:
        return None
    sentences = sentences_of(run.manifest)
    heard = {sentences[id_] for id_ in run.fold.train if id_ in sentences}
    rows = [row for row in run.test if row.id in sentences and sentences[row.id] not in heard]
    rows = [row for row in rows if row.tasks[task.name].ref]
    if not rows:
        return None
    statistic = task.statistic([row.tasks[task.name] for row in rows], [row.speaker for row in rows], outputs)
    value = statistic.values(np.ones((1, len(statistic.speakers))))[task.main.metric][0]
    return {"errors": float(value), "source": f"{len(rows)} utterances of its own test part"}


def _of_others(task: Task, run_dir: Path, model: str) -> Unseen:
    """The worst of the experiments beside the run and, of several corpora, of theirs."""
    found: list[Unseen] = []
    for exp in _experiments(recipe_of(run_dir)):
        try:
            scores, conf = read_scores(exp / "scores.json"), read_json(exp / "conf.json")
        except InputError:
            continue
        errors = metric(scores["pooled"], task.name, task.main.metric)
        if conf.get("model_name") == model and scores["pooled"].get("text_overlap") == 0.0 and errors is not None:
            found.append({"errors": errors, "source": f"{scores['corpus']}, protocol {scores['protocol']['name']}"})
    unknown: Unseen = {"errors": None, "source": ""}
    return max(found, key=lambda item: item["errors"] or 0.0, default=unknown)


def _experiments(recipe: Path) -> Iterable[Path]:
    """Scored experiments of a recipe, and of those beside it whose corpora it has."""
    corpora = recipe / "data/corpus/corpora.json"
    names = [str(item["corpus"]) for item in read_json(corpora)] if corpora.is_file() else []
    for folder in (recipe, *(recipe.parent / name for name in names)):
        yield from (path.parent for path in sorted(folder.glob("exp/*/scores.json")))


def left_out(unseen: Mapping[str, Unseen], outputs: Mapping[str, Outputs]) -> dict[str, str]:
    """By task, why its head is not exported, as the end of a sentence."""
    reasons = {}
    for task in in_order([name for name in outputs if name in unseen]):
        found = unseen[task.name]
        heading = task.main.metric
        if found["errors"] is None:
            reasons[task.name] = f"nobody knows its {heading} on sentences that training never heard"
        elif found["errors"] > MAX_ERRORS:
            reasons[task.name] = (
                f"its {heading} on sentences that training never heard is {100 * found['errors']:.1f} % "
                f"({found['source']})"
            )
    return reasons

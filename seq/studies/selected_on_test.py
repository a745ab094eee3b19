"""The figure that older papers report: the epoch chosen on test. For comparison with them alone, never a result.

Each fold's valid and test parts change places, so that training chooses its epoch by UA on the test speakers. All of it
is written to a folder and a file of their own, whose names and first lines say what they are.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, cast

from seq.data.fold_files import SUMMARY, fold_json, read_fold_parts, read_summary
from seq.data.folds import load_fold
from seq.decode.run import decode_experiment
from seq.recipe.recipe import Recipe
from seq.report.cells import TaskColumn, leading_columns
from seq.report.report import partial_note
from seq.score.score import score_experiment
from seq.score.types import About, PartScores
from seq.tasks.registry import get_task
from seq.train.experiment import Experiment
from seq.train.run import train_experiment
from seq.utils.files import update_json, write_json
from seq.utils.markdown_text import code, plain

LABEL: Final = "SELECTED ON TEST"
WARNING: Final = (
    "SELECTED ON TEST: the epoch was chosen by UA on the very speakers that are scored. This overstates what the "
    "system can do; it is here for comparison with papers that report such a figure, and must not be quoted as a "
    "result."
)
SUFFIX: Final = "selected_on_test"
# Of what scores.json says.
KEPT: Final = (
    "corpus", "protocol", "tasks", "seeds", "command", "commit", "versions", "partial", "missing", "wall_seconds",
)  # fmt: skip


class SelectedOnTest(About, PartScores):
    """selected_on_test.json: scores of the real test parts, and what is wrong with them."""

    warning: str
    selected_on: str


def swap_folds(folds_dir: Path, out_dir: Path, folds: list[int]) -> None:
    """Write folds to `out_dir` whose valid part is the test part of those in `folds_dir`, and the reverse."""
    update_json(out_dir / SUMMARY, asdict(read_summary(folds_dir)))
    for number in folds:
        fold = load_fold(folds_dir, number)
        head = read_fold_parts(folds_dir, number)
        swapped = {**head, "valid": fold.test, "test": fold.valid, "selected_on_test": True}
        # The real valid part may share its speakers with train (where it is chosen by sentences), and is not scored.
        swapped["speaker_disjoint"], swapped["valid_speaker_disjoint"] = (
            fold.speaker_disjoint and fold.valid_speaker_disjoint,
            fold.speaker_disjoint,
        )
        update_json(fold_json(out_dir, number), swapped)


def select_on_test(
    recipe: Recipe, name: str, tasks: list[str], folds: list[int], seeds: list[int], num_jobs: int, device: str,
    command: str,
) -> SelectedOnTest:  # fmt: skip
    """Train (or go on), score the test parts with the epoch chosen on them, and write `selected_on_test.json`."""
    exp_dir = recipe.exp_dir(f"{name}_{SUFFIX}")
    folds_dir = exp_dir / "folds_swapped"
    swap_folds(recipe.folds_dir, folds_dir, folds)
    conf = replace(recipe.conf, train=replace(recipe.conf.train, select_by="UA"))
    experiment = Experiment(
        conf, recipe.protocol, tasks, recipe.features, folds_dir, recipe.lang_dir, exp_dir, device, command
    )
    train_experiment(experiment, folds, seeds, num_jobs)
    decode_experiment(experiment, folds, seeds, num_jobs)
    scores = score_experiment(
        conf, recipe.protocol.name, recipe.cuts, folds_dir, exp_dir, folds, seeds, command, recipe.corpus_json
    )
    # The scorer's "valid" is the real test part; what it calls test is the valid part and is left out.
    assert scores["valid"] is not None
    kept = {key: scores[key] for key in KEPT}
    result = {"warning": WARNING, "selected_on": "test", **kept, **scores["valid"]}
    write_json(exp_dir / f"{SUFFIX}.json", result)
    return cast("SelectedOnTest", result)


def selection_report(result: SelectedOnTest) -> str:
    """The figure as Markdown, labelled as what it is in every line that holds a number."""
    protocol, task = result["protocol"], get_task(result["tasks"][0])
    numbers = ", ".join(_number(column, result) for column in leading_columns(task))
    folds = ", ".join(str(fold["fold"]) for fold in result["folds"])
    note = partial_note(result)
    return "\n".join(
        [
            f"# {result['corpus']}: {LABEL}",
            "",
            f"> **{WARNING}**",
            "",
            f"- {LABEL}: {numbers} ({task.name}, pooled)",
            plain(f"- protocol {protocol['name']}: {protocol['description']}"),
            f"- folds {folds} of {protocol['num_folds']}, seeds {', '.join(map(str, result['seeds']))}",
            f"- command: {code(result['command'])}; commit {result['commit']}",
            *([f"- **{plain(note)}**"] if note else []),
            "",
        ]
    )


def _number(column: TaskColumn, result: SelectedOnTest) -> str:
    name, number = column.heading.removesuffix(" %"), column.value(result["pooled"])
    return f"{name} {number} %" if "%" in column.heading else f"{name} {number}"

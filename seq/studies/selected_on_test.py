"""The figure that older papers report: the epoch chosen on test. For comparison with them alone, never a result.

Each fold's valid and test parts change places, so that training chooses its epoch by UA on the test speakers. All of it
is written to a folder and a file of their own, whose names and first lines say what they are.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from seq.data.fold_files import SUMMARY, read_summary
from seq.decode.run import decode_experiment
from seq.recipe.recipe import Recipe
from seq.report.report import partial_note
from seq.score.score import score_experiment
from seq.train.experiment import Experiment
from seq.train.run import train_experiment
from seq.utils.files import read_json, update_json, write_json

LABEL: Final = "SELECTED ON TEST"
WARNING: Final = (
    "SELECTED ON TEST: the epoch was chosen by UA on the very speakers that are scored. This overstates what the "
    "system can do; it is here for comparison with papers that report such a figure, and must not be quoted as a "
    "result."
)
SUFFIX: Final = "selected_on_test"


def swap_folds(folds_dir: Path, out_dir: Path, folds: list[int]) -> None:
    """Write folds to `out_dir` whose valid part is the test part of those in `folds_dir`, and the reverse."""
    update_json(out_dir / SUMMARY, asdict(read_summary(folds_dir)))
    for number in folds:
        fold = read_json(folds_dir / f"fold_{number}.json")
        swapped = {**fold, "valid": fold["test"], "test": fold["valid"], "selected_on_test": True}
        # The real valid part may share its speakers with train (where it is chosen by sentences), and is not scored.
        swapped["speaker_disjoint"], swapped["valid_speaker_disjoint"] = (
            fold["speaker_disjoint"] and fold["valid_speaker_disjoint"],
            fold["speaker_disjoint"],
        )
        update_json(out_dir / f"fold_{number}.json", swapped)


def select_on_test(
    recipe: Recipe, name: str, tasks: list[str], folds: list[int], seeds: list[int], num_jobs: int, device: str,
    command: str,
) -> dict[str, Any]:  # fmt: skip
    """Train (or go on), score the test parts with the epoch chosen on them, and write `selected_on_test.json`.

    Returns its contents: "warning", and the pooled and per-fold scores of the real test parts.
    """
    exp_dir = recipe.exp_dir(f"{name}_{SUFFIX}")
    folds_dir = exp_dir / "folds_swapped"
    swap_folds(recipe.folds_dir, folds_dir, folds)
    conf = replace(recipe.conf, train=replace(recipe.conf.train, select_by="UA"))
    experiment = Experiment(
        conf, recipe.protocol, tasks, recipe.fbank_cuts, folds_dir, recipe.lang_dir, exp_dir, device, command
    )
    train_experiment(experiment, folds, seeds, num_jobs)
    decode_experiment(experiment, folds, seeds, num_jobs)
    scores = score_experiment(
        conf, recipe.protocol.name, recipe.cuts, folds_dir, exp_dir, folds, seeds, command, recipe.corpus_json
    )
    # The scorer's "valid" is the real test part; what it calls test is the valid part and is left out.
    keep = ("corpus", "protocol", "tasks", "seeds", "command", "commit", "versions", "partial", "missing",
            "wall_seconds")  # fmt: skip
    result = {"warning": WARNING, "selected_on": "test", **{key: scores[key] for key in keep}, **scores["valid"]}
    write_json(exp_dir / f"{SUFFIX}.json", result)
    return result


def selection_report(result: dict[str, Any]) -> str:
    """The figure as Markdown, labelled as what it is in every line that holds a number."""
    emotion, protocol = result["pooled"]["emotion"], result["protocol"]
    folds = ", ".join(str(fold["fold"]) for fold in result["folds"])
    note = partial_note(result)
    return "\n".join(
        [
            f"# {result['corpus']}: {LABEL}",
            "",
            f"> **{WARNING}**",
            "",
            f"- {LABEL}: UA {100 * emotion['UA']:.2f} %, WA {100 * emotion['WA']:.2f} % (emotion, pooled)",
            f"- protocol {protocol['name']}: {protocol['description']}",
            f"- folds {folds} of {protocol['num_folds']}, seeds {', '.join(map(str, result['seeds']))}",
            f"- command: `{result['command']}`; commit {result['commit']}",
            *([f"- **{note}**"] if note else []),
            "",
        ]
    )

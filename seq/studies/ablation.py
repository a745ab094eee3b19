"""The ablation over tasks: emotion alone, emotion with each auxiliary task, and all of them; the paper's Table.

Every row is an experiment of the recipe, trained by its run.sh, so that a run that is finished is never trained
twice; the table is made of their scores.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seq.conf import TASKS
from seq.errors import InputError
from seq.recipe.files import experiment_name
from seq.recipe.recipe import Recipe
from seq.report.report import MISSING, _interval, _value, markdown_table, partial_note
from seq.score.intervals import paired_by_speaker, paired_test
from seq.utils.files import read_json, read_jsonl

METRICS = (("UA", "UA %"), ("WA", "WA %"))


@dataclass(frozen=True)
class Row:
    """One row: the tasks that are trained, and why it cannot be trained on this corpus (None: it can)."""

    name: str
    tasks: list[str]
    missing: str | None = None

    def experiment(self, prefix: str, protocol: str) -> str:
        """The name of the experiment of this row."""
        return experiment_name(prefix, protocol, self.tasks)


def ablation_rows(labelled: set[str]) -> list[Row]:
    """The five rows; `labelled` are the tasks that the corpus has labels for."""
    rows = [Row("emotion", ["emotion"])]
    for task in TASKS[1:]:
        missing = None if task in labelled else f"the corpus has no labels for {task}"
        rows.append(Row(f"+ {task}", ["emotion", task], missing))
    lacking = [task for task in TASKS if task not in labelled]
    name = "all" if not lacking else f"all ({', '.join(lacking)} without labels)"
    return [*rows, Row(name, list(TASKS))]


def labelled_tasks(recipe: Recipe) -> set[str]:
    """The tasks that some utterance of a prepared corpus is labelled for. Raises InputError before stage 4."""
    found = {"phone"} if any(line.strip() for line in _lines(recipe)) else set()
    for cut in read_jsonl(recipe.cuts):
        supervision = cut["supervisions"][0]
        custom = supervision.get("custom") or {}
        found |= {task for task in ("emotion", "intensity") if custom.get(task) is not None}
        found |= {"gender"} if supervision.get("gender") else set()
        if len(found) == len(TASKS):
            break
    return found


def _lines(recipe: Recipe) -> list[str]:
    path = recipe.lang_dir / "text"
    if not path.exists():
        raise InputError(f"{path} does not exist: run {recipe.folder}/run.sh --stop-stage 4 first")
    return path.read_text(encoding="utf-8").splitlines()


def ablation_table(rows: list[Row], scores: dict[str, dict[str, Any]]) -> str:
    """A row per experiment: metrics with intervals, and the paired test against the first row.

    Args:
        scores: scores.json of every row that was trained, by the row's name.
    """
    header = ["tasks"]
    for _, heading in METRICS:
        header += [heading, "95 % interval", "difference", "paired test"]
    header += ["valid UA %", "minutes"]
    base = scores[rows[0].name]
    table = []
    for row in rows:
        if row.missing:
            table.append([row.name, *[MISSING] * (len(header) - 1)])
            continue
        own = scores[row.name]
        cells = [row.name]
        for metric, heading in METRICS:
            emotion = own["pooled"]["emotion"]
            cells += [_value(emotion[metric], heading), _interval(emotion[f"{metric}_ci95"], heading)]
            cells += ["", ""] if own is base else _test(own, base, metric, heading)
        valid = (own.get("valid") or {}).get("pooled", {}).get("emotion", {}).get("UA")
        minutes = own.get("wall_seconds")
        table.append([*cells, _value(valid, "%"), MISSING if minutes is None else f"{minutes / 60:.1f}"])
    return markdown_table(header, table)


def _test(own: dict[str, Any], base: dict[str, Any], metric: str, heading: str) -> list[str]:
    """The difference and p of `own` against `base` over speakers."""
    mine, others = (block["pooled"]["emotion"]["speakers"] for block in (own, base))
    if set(mine) != set(others):
        raise InputError("the rows were not tested on the same speakers: run all of them with the same folds")
    paired = paired_by_speaker(mine, others, metric)
    if not paired[0]:
        return [MISSING, MISSING]
    test = paired_test(*paired)
    return [f"{'+' if test.difference >= 0 else ''}{_value(test.difference, heading)}", str(test)]


def ablation_report(recipe: Recipe, rows: list[Row], prefix: str, command: str, overrides: list[str]) -> str:
    """The Markdown of the ablation, from the scores.json of its rows.

    Raises:
        InputError: a row was not scored, or the rows differ in folds or seeds.
    """
    scores = {}
    for row in rows:
        if row.missing is None:
            scores[row.name] = read_json(recipe.exp_dir(row.experiment(prefix, recipe.protocol.name)) / "scores.json")
    base = scores[rows[0].name]
    shape = [(block["seeds"], [fold["fold"] for fold in block["folds"]]) for block in scores.values()]
    if any(other != shape[0] for other in shape):
        raise InputError("the rows of the ablation differ in folds or seeds: run local/run_ablation.py once for all")
    seeds, folds = shape[0]
    disjoint = "speakers disjoint" if base["protocol"]["speaker_disjoint"] else "SPEAKER-DEPENDENT"
    train = recipe.conf.train
    lines = [
        f"# {recipe.conf.corpus.name}: ablation over tasks",
        "",
        f"- protocol **{recipe.protocol.name}** ({disjoint}): {recipe.protocol.description}",
        f"- folds {', '.join(map(str, folds))} of {base['protocol']['num_folds']}; seeds {', '.join(map(str, seeds))}",
        f"- settings: {train.num_epochs} epochs" + (f", conf changed by {', '.join(overrides)}" if overrides else ""),
        f"- command: `{command}`",
        f"- commits {', '.join(sorted({str(block['commit']) for block in scores.values()}))}",
        f"- 95 % intervals: {base['pooled']['emotion']['interval']}. Tests: sign-flip over speakers against the first "
        "row, not corrected for the number of rows; the difference is that of the means over speakers.",
    ]
    if note := partial_note(base):
        lines.append(f"- **{note}**")
    lines += [f"- {row.name}: not run, {row.missing}" for row in rows if row.missing]
    return "\n".join([*lines, "", ablation_table(rows, scores)]) + "\n"

"""The ablation over tasks: the main one alone, with each auxiliary task, and all of them; the paper's Table.

Every row is an experiment of the recipe, trained by its run.sh, so that a run that is finished is never trained
twice; the table is made of their scores.json.
"""

from __future__ import annotations

from dataclasses import dataclass

from seq.errors import InputError
from seq.lang.transcripts import read_transcripts
from seq.recipe.files import experiment_name
from seq.recipe.recipe import Recipe
from seq.report.cells import MISSING, TaskColumn, leading_columns, signed
from seq.report.report import partial_note
from seq.score.intervals import paired_by_speaker, paired_test
from seq.score.types import Scores, read_scores, task_scores
from seq.tasks.base import Setting
from seq.tasks.predictions import ManifestRow
from seq.tasks.registry import default_names, in_order, main_task
from seq.utils.files import read_jsonl
from seq.utils.markdown_text import code, markdown_table, plain


@dataclass(frozen=True)
class AblationRow:
    """One row: the tasks that are trained, and why it cannot be trained on this corpus (None: it can)."""

    name: str
    tasks: list[str]
    missing: str | None = None

    def exp_name(self, prefix: str, protocol: str) -> str:
        """The name of the experiment of this row."""
        return experiment_name(prefix, protocol, self.tasks)


def ablation_rows(labelled: set[str]) -> list[AblationRow]:
    """The main task, a row for each other default one, and all; `labelled` are those that the corpus has labels for."""
    names = default_names()
    main, others = names[0], names[1:]
    rows = [AblationRow(main, [main])]
    for task in others:
        missing = None if task in labelled else f"the corpus has no labels for {task}"
        rows.append(AblationRow(f"+ {task}", [main, task], missing))
    lacking = [task for task in names if task not in labelled]
    name = "all" if not lacking else f"all ({', '.join(lacking)} without labels)"
    return [*rows, AblationRow(name, names)]


def labelled_tasks(recipe: Recipe) -> set[str]:
    """The default tasks that some utterance of a prepared corpus has a label for. Raises InputError before stage 4."""
    setting = Setting(recipe.protocol, recipe.conf.corpus, transcripts=_transcripts(recipe))
    wanted = in_order(default_names())
    found: set[str] = set()
    for cut in read_jsonl(recipe.cuts):
        row = ManifestRow.from_dict(cut)
        found |= {task.name for task in wanted if task.name not in found and task.label(row, setting) is not None}
        if len(found) == len(wanted):
            break
    return found


def _transcripts(recipe: Recipe) -> dict[str, list[str]]:
    if not (recipe.lang_dir / "text").exists():
        raise InputError(f"{recipe.lang_dir / 'text'} does not exist: run {recipe.folder}/run.sh --stop-stage 4 first")
    return read_transcripts(recipe.lang_dir)


def ablation_table(rows: list[AblationRow], scores: dict[str, Scores]) -> str:
    """A row per experiment: metrics of the main task with intervals, and the paired test against the first row.

    Args:
        scores: scores.json of every row that was trained, by the row's name.
    """
    columns = leading_columns(main_task())
    header = ["tasks"]
    for column in columns:
        header += [column.heading, "95 % interval", "difference", "paired test"]
    header += [f"valid {columns[0].heading}", "minutes"]
    base = scores[rows[0].name]
    table = []
    for row in rows:
        if row.missing:
            table.append([row.name, *[MISSING] * (len(header) - 1)])
            continue
        own = scores[row.name]
        cells = [row.name]
        for column in columns:
            cells += [column.value(own["pooled"]), column.interval(own["pooled"])]
            cells += ["", ""] if own is base else _test(own, base, column)
        valid, minutes = own.get("valid"), own.get("wall_seconds")
        cells.append(columns[0].value(valid["pooled"]) if valid else MISSING)
        table.append([*cells, MISSING if minutes is None else f"{minutes / 60:.1f}"])
    return markdown_table(header, table)


def _test(own: Scores, base: Scores, column: TaskColumn) -> list[str]:
    """The difference and p of `own` against `base` over speakers."""
    mine, others = ((task_scores(s["pooled"], column.task) or {}).get("speakers", {}) for s in (own, base))
    if set(mine) != set(others):
        raise InputError("the rows were not tested on the same speakers: run all of them with the same folds")
    paired = paired_by_speaker(mine, others, column.metric)
    if not paired[0]:
        return [MISSING, MISSING]
    test = paired_test(*paired)
    return [signed(test.difference, column.heading), str(test)]


def ablation_report(recipe: Recipe, rows: list[AblationRow], prefix: str, command: str, overrides: list[str]) -> str:
    """The Markdown of the ablation, from the scores.json of its rows.

    Raises:
        InputError: a row was not scored, or the rows differ in folds or seeds.
    """
    scores: dict[str, Scores] = {}
    for row in rows:
        if row.missing is None:
            scores[row.name] = read_scores(recipe.exp_dir(row.exp_name(prefix, recipe.protocol.name)) / "scores.json")
    base = scores[rows[0].name]
    shape = [(block["seeds"], [fold["fold"] for fold in block["folds"]]) for block in scores.values()]
    if any(other != shape[0] for other in shape):
        raise InputError("the rows of the ablation differ in folds or seeds: run local/run_ablation.py once for all")
    seeds, folds = shape[0]
    disjoint = "test speakers disjoint" if base["protocol"]["speaker_disjoint"] else "SPEAKER-DEPENDENT"
    train = recipe.conf.train
    interval = (task_scores(base["pooled"], main_task().name) or {}).get("interval", MISSING)
    lines = [
        f"# {recipe.conf.corpus.name}: ablation over tasks",
        "",
        f"- protocol **{plain(recipe.protocol.name)}** ({disjoint}): {plain(recipe.protocol.description)}",
        f"- folds {', '.join(map(str, folds))} of {base['protocol']['num_folds']}; seeds {', '.join(map(str, seeds))}",
        f"- settings: {train.num_epochs} epochs"
        + (f", conf changed by {plain(', '.join(overrides))}" if overrides else ""),
        f"- command: {code(command)}",
        f"- commits {', '.join(sorted({str(block['commit']) for block in scores.values()}))}",
        f"- 95 % intervals: {interval}. Tests: sign-flip over speakers against the first "
        "row, not corrected for the number of rows; the difference is that of the means over speakers.",
    ]
    if note := partial_note(base):
        lines.append(f"- **{plain(note)}**")
    lines += [f"- {row.name}: not run, {row.missing}" for row in rows if row.missing]
    return "\n".join([*lines, "", ablation_table(rows, scores)]) + "\n"

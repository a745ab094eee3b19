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
from seq.score.types import read_scores
from seq.studies.comparison import Row, comparison_head, comparison_table
from seq.tasks.base import Setting
from seq.tasks.predictions import ManifestRow
from seq.tasks.registry import default_names, in_order
from seq.utils.files import read_jsonl
from seq.utils.markdown_text import code


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


def ablation_report(recipe: Recipe, rows: list[AblationRow], prefix: str, command: str, overrides: list[str]) -> str:
    """The Markdown of the ablation, from the scores.json of its rows.

    Raises:
        InputError: a row was not scored, or the rows differ in folds.
    """
    compared = ablation_scores(recipe, rows, prefix)
    lines = [
        f"# {recipe.conf.corpus.name}: ablation over tasks",
        "",
        f"- model {code(recipe.conf.model_name)}, {recipe.conf.train.num_epochs} epochs",
        *comparison_head(compared, recipe, command, overrides),
        "",
        comparison_table(compared, "tasks"),
    ]
    return "\n".join(lines) + "\n"


def ablation_scores(recipe: Recipe, rows: list[AblationRow], prefix: str) -> list[Row]:
    """The rows with their scores. Raises InputError where a row that can be trained was not scored."""
    return [
        Row(row.name, None, row.missing)
        if row.missing
        else Row(row.name, read_scores(recipe.exp_dir(row.exp_name(prefix, recipe.protocol.name)) / "scores.json"))
        for row in rows
    ]

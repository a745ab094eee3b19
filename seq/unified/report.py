"""Tables and the heat map of egs/unified, out of the "corpora" of scores.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seq.report.cells import MISSING, NUM_LEADING, TaskColumn, columns_of, leading_columns, value
from seq.report.report import Additions
from seq.score.types import Scores, metric, task_scores
from seq.tasks.registry import main_task
from seq.unified.score import CorporaScores, CorpusScores, Matrix
from seq.utils.markdown_text import markdown_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def corpora_additions(scores: Scores, exp_dir: Path) -> Additions:
    """What the report of an experiment over several corpora has beside those of others; nothing for one corpus."""
    corpora = cast("CorporaScores", scores.get("corpora") or {})
    if not corpora:
        return Additions()
    if "matrix" not in corpora:
        return Additions(corpora_tables(scores))
    path = exp_dir / "figures" / "cross_corpus.png"
    plot_matrix(corpora["matrix"], path)
    caption = f"{main_task().main.metric} when trained on one corpus and tested on another"
    return Additions(corpora_tables(scores), [(caption, path)])


def corpora_tables(scores: Scores) -> list[str]:
    """The tables per corpus as Markdown, each with the sentence that is needed to read it."""
    corpora = cast("CorporaScores", scores.get("corpora") or {})
    if "matrix" in corpora:
        return [_matrix_table(corpora["matrix"])]
    rows = corpora.get("rows", {})
    parts = [_corpus_table(rows, _other_columns(scores))]
    compared = {name: alone for name, block in rows.items() if (alone := block.get("alone"))}
    if compared:
        main = main_task().main
        header = ["corpus, mean over speakers", "spk.", "experiment alone", f"joint {main.heading}",
                  f"alone {main.heading}", "difference", "paired sign-flip test over speakers"]  # fmt: skip
        table = []
        for name, block in compared.items():
            found = block[main.metric]
            numbers = [value(found[key], main.heading) for key in ("joint", "alone", "difference")]
            table.append([name, str(block["num_speakers"]), block["experiment"], *numbers, found["test"]])
        parts.append("Joint training beside training on the corpus alone.\n\n" + markdown_table(header, table))
    return parts


def _other_columns(scores: Scores) -> list[TaskColumn]:
    """The first columns of every task but the main one."""
    others = [task for task in scores["tasks"] if task != main_task().name]
    return [column for task in others for column in columns_of([task], scores["unit"])[:NUM_LEADING]]


def _corpus_table(rows: dict[str, CorpusScores], others: Sequence[TaskColumn]) -> str:
    first, second = leading_columns(main_task())
    header = ["corpus", "trained on", "utt.", "spk.", "classes", first.heading, "95 % interval", second.heading,
              f"{first.heading} open", *(column.heading for column in others)]  # fmt: skip
    table = []
    for name, block in rows.items():
        own = task_scores(block, first.task) or {}
        opened = metric(block, first.task, f"{first.metric}_open")
        table.append([
            name, " + ".join(block["trained_on"]), str(block["num_utterances"]), str(own.get("num_speakers", "")),
            str(len(block["categories"])), first.value(block), first.interval(block), second.value(block),
            value(opened, first.heading), *(column.value(block) for column in others),
        ])  # fmt: skip
    return (
        f"Per corpus. {first.metric} and {second.metric}: the answer is the likeliest of the classes that train and "
        "the corpus both have; *open*: of all classes.\n\n" + markdown_table(header, table)
    )


def _main_value(block: CorpusScores | None) -> float | None:
    task = main_task()
    return metric(block, task.name, task.main.metric) if block else None


def _matrix_table(matrix: Matrix) -> str:
    heading = main_task().main.heading
    table = []
    for trained, cells in zip(matrix["train"], matrix["cells"], strict=True):
        row = [trained]
        for block in cells:
            number = _main_value(block)
            shared = "" if block is None or number is None else f" ({len(block['categories'])})"
            row.append(value(number, heading) + shared)
        table.append(row)
    return (
        f"{heading} over shared categories (their number in parentheses; chance is 100 / number). Rows: trained on; "
        "columns: tested on. On its own corpus, the first fold's test speakers; on another, all of it.\n\n"
        + markdown_table(["trained on", *matrix["test"]], table)
    )


def plot_matrix(matrix: Matrix, path: Path) -> None:
    """Draw the matrix as a heat map: UA above chance, as a share of what lies above chance, in colour; UA in text."""
    import matplotlib.pyplot as plt
    import numpy as np

    from seq.report.plots import STYLE, save_figure

    above = np.array([[_above_chance(block) for block in cells] for cells in matrix["cells"]])
    rows, columns = above.shape
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(2.4 + 1.1 * columns, 1.6 + 0.8 * rows))
        image = axes.imshow(np.ma.masked_invalid(above), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(rows, columns):
            text = _cell(matrix["cells"][row][column])
            colour = "white" if np.nan_to_num(above[row, column]) > 0.55 else "#1b2a41"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        _label(axes, matrix["test"], matrix["train"])
        axes.set_title(f"{main_task().main.metric} over shared categories", pad=10)
        bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label("0: chance, 1: all right")
        save_figure(figure, path)


def _cell(block: CorpusScores | None) -> str:
    number = _main_value(block)
    return MISSING if block is None or number is None else f"{number:.0%}\n{len(block['categories'])} classes"


def _above_chance(block: CorpusScores | None) -> float:
    number = _main_value(block)
    if block is None or number is None or len(block["categories"]) < 2:
        return float("nan")
    chance = 1 / len(block["categories"])
    return max(0.0, (number - chance) / (1 - chance))


def _label(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="tested on", ylabel="trained on")

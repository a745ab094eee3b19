"""Experiments side by side: a row each, and its difference to the first one, over the speakers of both.

Differences come with an interval, a paired test that is corrected for the number of rows, and the smallest difference
that so many speakers could have shown: what is smaller than that is neither shown nor ruled out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.report.cells import MISSING, TaskColumn, interval, leading_columns, signed, value
from seq.report.report import partial_note
from seq.score.intervals import Difference, difference, holm, paired_by_speaker
from seq.score.types import PoolScores, Scores, task_scores
from seq.tasks.registry import in_order, main_task
from seq.utils.markdown_text import code, markdown_table, plain
from seq.utils.provenance import without_private_paths


@dataclass(frozen=True)
class Row:
    """One experiment: what it is called, its scores, and why there are none (None: there are)."""

    name: str
    scores: Scores | None
    missing: str | None = None


def differences(rows: Sequence[Row], column: TaskColumn) -> dict[str, Difference]:
    """Every row but the first against the first, by name; without those that have no scores, or not of this task.

    p-values are corrected for the number of rows (Holm 1979).

    Raises:
        InputError: two rows were tested on other speakers.
    """
    base = _speakers(rows[0], column)
    found: dict[str, Difference] = {}
    for row in rows[1:]:
        own = _speakers(row, column)
        if own is None or base is None:
            continue
        if set(own) != set(base):
            raise InputError(
                f"{row.name} and {rows[0].name} were tested on other speakers: run them with the same folds"
            )
        paired = paired_by_speaker(own, base, column.metric)
        if paired[0]:
            found[row.name] = difference(*paired)
    return dict(zip(found, holm(list(found.values())), strict=True))


def _speakers(row: Row, column: TaskColumn) -> Mapping[str, Mapping[str, float | None]] | None:
    scores = task_scores(row.scores["pooled"], column.task) if row.scores else None
    return None if scores is None else scores.get("speakers", {})


def comparison_head(rows: Sequence[Row], recipe: Recipe, command: str, overrides: Sequence[str]) -> list[str]:
    """What must be known to read the table of `rows`, of which the first is the one that the others are compared with.

    Raises:
        InputError: two rows were tested on other folds.
    """
    blocks = [row.scores for row in rows if row.scores]
    base = blocks[0]
    folds = [fold["fold"] for fold in base["folds"]]
    if any([fold["fold"] for fold in block["folds"]] != folds for block in blocks):
        raise InputError("the rows of the table differ in folds: run all of them with the same --folds")
    disjoint = "test speakers disjoint" if base["protocol"]["speaker_disjoint"] else "SPEAKER-DEPENDENT"
    main_block = task_scores(base["pooled"], main_task().name) or {}
    changed = [f"- conf changed by {plain(', '.join(overrides))}"] if overrides else []
    partial = [f"- **{plain(note)}**"] if (note := partial_note(base)) else []
    return [
        f"- protocol **{plain(recipe.protocol.name)}** ({disjoint}): {plain(recipe.protocol.description)}",
        f"- folds {', '.join(map(str, folds))} of {base['protocol']['num_folds']}",
        *changed,
        f"- command: {code(without_private_paths(command))}",
        f"- commits {', '.join(sorted({str(block['commit']) for block in blocks}))}",
        f"- 95 % intervals: {main_block.get('interval', MISSING)}. Differences: to the first row, means over speakers "
        "with t intervals; sign-flip test over speakers, corrected for the number of rows (Holm); *detectable*: what "
        f"{len(main_block.get('speakers', {}))} speakers would have shown four times in five.",
        *partial,
        *(f"- {row.name}: not run, {row.missing}" for row in rows if row.missing),
    ]


def comparison_table(rows: Sequence[Row], heading: str) -> str:
    """A row per experiment under `heading`: the main task with its difference to the first row, then the other tasks.

    The metrics of the other tasks stand alone; `differences` tests them.
    """
    main, *others = leading_columns(main_task())
    tested = differences(rows, main)
    pools = [row.scores["pooled"] for row in rows if row.scores]
    more = [column for column in _first_columns(pools) if column.task != main.task]
    header = [heading, "seeds", main.heading, "95 % interval", "difference", "95 % interval", "p (Holm)", "detectable"]
    header += [column.heading for column in (*others, *more)]
    header += [f"valid {main.heading}", "minutes"]
    table = []
    for row in rows:
        if row.scores is None:
            table.append([row.name, *[MISSING] * (len(header) - 1)])
            continue
        pooled, valid, minutes = row.scores["pooled"], row.scores.get("valid"), row.scores.get("wall_seconds")
        cells = [row.name, ", ".join(map(str, row.scores["seeds"])), main.value(pooled), main.interval(pooled)]
        cells += _difference_cells(tested.get(row.name), main.heading)
        cells += [column.value(pooled) for column in (*others, *more)]
        cells.append(main.value(valid["pooled"]) if valid else MISSING)
        table.append([*cells, MISSING if minutes is None else f"{minutes / 60:.1f}"])
    return markdown_table(header, table)


def _first_columns(pools: Sequence[PoolScores]) -> list[TaskColumn]:
    """The first column of every task that some row has."""
    tasks = {name for pool in pools for name in pool if isinstance(pool.get(name), dict)}
    return [leading_columns(task)[0] for task in in_order(sorted(tasks))]


def _difference_cells(found: Difference | None, heading: str) -> list[str]:
    if found is None:
        return [""] * 4
    return [
        signed(found.mean, heading),
        interval(found.ends, heading) if found.ends else MISSING,
        f"untestable (n={found.num_speakers})" if found.p_value is None else f"{found.p_value:.4f}",
        value(found.detectable, heading),
    ]


def plot_differences(groups: Mapping[str, Mapping[str, Difference]], heading: str, path: Path) -> None:
    """Draw differences with their intervals, a panel per group (corpus); what excludes 0 is darker.

    Args:
        groups: title of a panel to its rows.
        heading: of the metric.
    """
    import matplotlib.pyplot as plt

    from seq.report.plots import STYLE, save_figure

    most = max(len(rows) for rows in groups.values())
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(groups), figsize=(4.2 * len(groups), 1.2 + 0.45 * most), squeeze=False, layout="constrained"
        )
        for axes, (title, rows) in zip(panels[0], groups.items(), strict=True):
            for place, found in enumerate(rows.values()):
                low, high = found.ends or (found.mean, found.mean)
                colour = "#1f4e79" if found.ends and (low > 0 or high < 0) else "#7f9bb8"
                axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=2.5, solid_capstyle="round")
                axes.plot(100 * found.mean, place, "o", color=colour, markersize=7)
            axes.axvline(0, color="#444444", linewidth=1)
            axes.set_yticks(range(len(rows)), list(rows))
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_xlabel(f"difference in {heading}, points")
            axes.set_title(title)
            axes.grid(axis="x", color="#dddddd", linewidth=0.8)
            axes.set_axisbelow(True)
        save_figure(figure, path)

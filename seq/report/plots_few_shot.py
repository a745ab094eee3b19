"""The curves of a few-shot study: a metric over the number of labelled utterances a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import PercentFormatter

from seq.report.plots import STYLE, save_figure
from seq.tasks.base import Task


def plot_few_shot(
    rows: Sequence[dict[str, Any]], shots: Sequence[int], chance: float, task: Task, title: str, path: Path
) -> None:
    """Draw a line a method with its 95 % intervals; one that has k = 0 alone is level.

    Args:
        rows: "method", "k", and the task's main metric with its `_ci95`.
        shots: every k, which stand at equal distances.
        chance: of the metric.
    """
    metric = task.main.metric
    methods = list(dict.fromkeys(row["method"] for row in rows))
    palette = plt.get_cmap("tab10")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
        for number, method in enumerate(methods):
            mine = {row["k"]: row for row in rows if row["method"] == method and row[metric] is not None}
            colour = palette(number)
            if len(mine) == 1 and len(shots) > 1:
                found = next(iter(mine.values()))
                axes.axhline(found[metric], color=colour, linestyle="--", linewidth=1.4, label=method)
                places, only = [0.0], [found]
            else:
                # Side by side, so that intervals can be told apart.
                places = [shots.index(k) + 0.06 * (number - len(methods) / 2) for k in mine]
                only = list(mine.values())
                axes.plot(places, [row[metric] for row in only], "o-", color=colour, linewidth=1.6, markersize=5,
                          label=method)  # fmt: skip
            for place, row in zip(places, only, strict=True):
                if row[f"{metric}_ci95"]:
                    axes.vlines(place, *row[f"{metric}_ci95"], color=colour, linewidth=1.2, alpha=0.6)
        axes.axhline(chance, color="grey", linestyle=":", linewidth=1.0, label="chance")
        axes.set_xticks(range(len(shots)), [str(k) for k in shots])
        axes.set(xlabel="labelled utterances a class, of other speakers", ylabel=metric, title=title)
        if "%" in task.main.heading:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
        save_figure(figure, path)

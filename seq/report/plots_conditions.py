"""Figure of a metric under conditions that come in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from seq.report.plots import STYLE, plt, save_figure

# How far apart the dots of several systems are, of the distance between two conditions.
_SPREAD = 0.5


def plot_conditions(
    names: Sequence[tuple[str, str]],
    series: Mapping[str, Sequence[tuple[float | None, Sequence[float] | None]]],
    title: str,
    path: Path,
) -> None:
    """Draw a dot and an interval per condition and system; a line marks what the first condition had.

    Args:
        names: condition and group; conditions of a group stand together.
        series: by system, for every condition the metric in [0, 1] and the ends of its interval.
    """
    palette = plt.get_cmap("tab10")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(2.5 + 0.55 * len(names), 4.6), layout="constrained")
        for i, (system, found) in enumerate(series.items()):
            shift = _SPREAD * ((i + 0.5) / len(series) - 0.5)
            for x, (number, ends) in enumerate(found):
                if number is None:
                    continue
                axes.plot(x + shift, number, "o", color=palette(i), markersize=5, label=system if x == 0 else None)
                if ends is not None:
                    axes.plot([x + shift] * 2, ends, color=palette(i), linewidth=1.2, alpha=0.6)
            if found and found[0][0] is not None:
                axes.axhline(found[0][0], color=palette(i), linewidth=0.8, linestyle=":")
        for edge in np.flatnonzero([a != b for (_, a), (_, b) in pairwise(names)]):
            axes.axvline(edge + 0.5, color="#dde1ec", linewidth=1)
        axes.set_xticks(range(len(names)), [name for name, _ in names], rotation=40, ha="right", rotation_mode="anchor")
        axes.set(ylim=(0, 1), ylabel=title)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(axis="y", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower left")
        axes.set_title(f"{title} under everyday changes", pad=10)
        save_figure(figure, path)

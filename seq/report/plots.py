"""Figures of a report: a confusion matrix and training curves; and what all figures share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, PercentFormatter

from seq.tasks.base import Task
from seq.utils.files import atomic_path

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}
DPI = 150


def save_figure(figure: plt.Figure, path: Path) -> None:
    """Write a figure as PNG, atomically, and close it."""
    with atomic_path(path) as temporary:
        # Without the Software entry the same scores give the same bytes.
        figure.savefig(temporary, dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def plot_confusion(labels: Sequence[str], counts: Sequence[Sequence[int]], title: str, path: Path) -> None:
    """Draw a confusion matrix (K, K), rows reference: the share of the row in colour and text, the count below."""
    matrix = np.asarray(counts)
    totals = matrix.sum(1, keepdims=True)
    share = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    size = len(labels)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(2.0 + 0.78 * size, 1.4 + 0.66 * size))
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(size, size):
            if not matrix[row, column]:
                continue
            colour = "white" if share[row, column] > 0.55 else "#1b2a41"
            weight = "bold" if row == column else "normal"
            common: dict[str, Any] = {"ha": "center", "color": colour}
            axes.text(column, row, f"{share[row, column]:.0%}", va="bottom", fontsize=10, weight=weight, **common)
            axes.text(column, row + 0.08, f"{matrix[row, column]}", va="top", fontsize=7.5, alpha=0.8, **common)
        axes.set_xticks(range(size), labels, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(size), [f"{label}  ({n})" for label, n in zip(labels, totals[:, 0], strict=True)])
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted", ylabel="reference (utterances)")
        axes.set_title(title, pad=10)
        bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, format=PercentFormatter(1.0))
        bar.outline.set_visible(False)
        bar.set_label("share of the reference class")
        save_figure(figure, path)


def plot_curves(histories: dict[tuple[int, int], list[dict[str, Any]]], task: Task, title: str, path: Path) -> None:
    """Draw the loss, and a task's loss and main metric on valid, over epochs; seeds of a fold share its colour.

    Args:
        histories: (fold, seed) to the rows of history.jsonl: "epoch", "train" with "loss", and "valid" by task.
    """
    main = task.main
    folds = sorted({fold for fold, _ in histories})
    palette = plt.get_cmap("tab10" if len(folds) <= 10 else "tab20")
    with plt.rc_context(STYLE):
        figure, (loss, score) = plt.subplots(1, 2, figsize=(10.5, 3.8), layout="constrained")
        engine = figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)
        engine.set(wspace=0.06)
        labelled: set[int] = set()
        for (fold, _), rows in sorted(histories.items()):
            style = {"color": palette(folds.index(fold)), "linewidth": 1.4, "alpha": 0.9}
            label = None if fold in labelled else f"fold {fold}"
            labelled.add(fold)
            loss.plot(*_series(rows, "train", "loss"), **style, linestyle=":")
            loss.plot(*_series(rows, "valid", task.name, "loss"), **style)
            epochs, values = _series(rows, "valid", task.name, main.metric)
            score.plot(epochs, values, **style, label=label)
            if values:
                best = int(np.argmin(values) if main.less_is_better else np.argmax(values))
                score.plot(epochs[best], values[best], "o", color=style["color"], markersize=5)
        loss.plot([], [], ":", color="grey", label="train")
        loss.plot([], [], "-", color="grey", label="valid")
        loss.set(xlabel="epoch", ylabel="loss", title=title)
        best_is = "lowest" if main.less_is_better else "highest"
        score.set(xlabel="epoch", ylabel=f"valid {main.metric} (dot: {best_is})")
        if "%" in main.heading:
            score.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for axes in (loss, score):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        loss.legend(frameon=False)
        score.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
        save_figure(figure, path)


def _series(rows: Sequence[dict[str, Any]], *keys: str) -> tuple[list[int], list[float]]:
    """Epochs and values of the rows that have a value under these keys, one inside the other."""
    found: list[tuple[int, Any]] = []
    for row in rows:
        value: Any = row
        for key in keys:
            value = value.get(key, {})
        found.append((row["epoch"], value))
    known = [(epoch, value) for epoch, value in found if isinstance(value, (int, float))]
    return [epoch for epoch, _ in known], [value for _, value in known]

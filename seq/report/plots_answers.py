"""Figures of how far answers can be trusted: reliability of the confidence, and numbers against truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from seq.report.plots import STYLE, plt, save_figure
from seq.score.calibration import calibration_error

COLOURS = ("#d17a22", "#2456a6")
NUM_BINS = 10
MAX_BOXES = 8


def reliability(probs: np.ndarray, refs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, accuracy and size of each of NUM_BINS equal bins of confidence that is not empty, (B,) each."""
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == refs
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    used = [bins == b for b in np.unique(bins)]
    return (
        np.array([confidence[members].mean() for members in used]),
        np.array([right[members].mean() for members in used]),
        np.array([members.sum() for members in used]),
    )


def plot_reliability(parts: Mapping[str, np.ndarray], refs: np.ndarray, title: str, path: Path) -> None:
    """Draw accuracy over confidence, and how the confidence is spread.

    Args:
        parts: up to two names with their (N, C) probabilities.
        refs: (N,) reference classes.
    """
    with plt.rc_context(STYLE):
        figure, (axes, spread) = plt.subplots(
            2, 1, figsize=(5.6, 6.2), height_ratios=(4, 1), sharex=True, layout="constrained"
        )
        axes.plot([0, 1], [0, 1], ":", color="grey", label="ideal")
        for (name, probs), colour in zip(parts.items(), COLOURS, strict=False):
            confidence, accuracy, sizes = reliability(probs, refs)
            error = calibration_error(probs, refs)
            axes.plot(confidence, accuracy, color=colour, linewidth=1.4, label=f"{name}: calibration error {error:.2%}")
            axes.scatter(confidence, accuracy, s=14 + 240 * sizes / sizes.sum(), color=colour, alpha=0.75, zorder=3)
            spread.hist(probs.max(axis=1), np.linspace(0, 1, 2 * NUM_BINS + 1), color=colour, alpha=0.5)
        axes.set(ylabel=f"right answers ({len(refs)}; dots: share of them)", title=title, ylim=(0, 1), xlim=(0, 1))
        spread.set(xlabel="confidence", ylabel="answers")
        for each in (axes.xaxis, axes.yaxis):
            each.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for each in (axes, spread):
            each.grid(alpha=0.25)
            each.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
        save_figure(figure, path)


def plot_numbers(
    refs: np.ndarray, values: np.ndarray, title: str, path: Path, limits: tuple[float, float] | None = None
) -> None:
    """Draw answers (N,) over references (N,): every utterance a dot, and a box per reference.

    Args:
        limits: between which numbers both lie; None draws as far as they reach.
    """
    low, high = limits or (min(refs.min(), values.min()), max(refs.max(), values.max()))
    span = (high - low) or 1.0
    levels = np.unique(refs.round(3))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.2, 4.6), layout="constrained")
        axes.plot([low, high], [low, high], ":", color="grey", label="ideal")
        # The same scores give the same figure.
        jitter = np.random.default_rng(0).uniform(-0.035, 0.035, len(refs)) * span
        axes.scatter(refs + jitter, values, s=7, alpha=0.25, color=COLOURS[1], linewidths=0)
        # A corpus that rates on a fine scale has too many levels for boxes.
        if len(levels) <= MAX_BOXES:
            groups = [values[refs.round(3) == level] for level in levels]
            axes.boxplot(
                groups, positions=levels, widths=0.09 * span, showfliers=False, manage_ticks=False,
                medianprops={"color": COLOURS[0], "linewidth": 2},
            )  # fmt: skip
            axes.set_xticks(
                levels, [f"{level:.2f}\n({len(group)})" for level, group in zip(levels, groups, strict=True)]
            )
        axes.set(
            xlabel="reference (utterances)",
            ylabel="predicted",
            title=title,
            xlim=(low - 0.08 * span, high + 0.08 * span),
            ylim=(low - 0.03 * span, high + 0.03 * span),
        )
        axes.grid(alpha=0.25, axis="y")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left")
        save_figure(figure, path)

"""Tables and the heat map of egs/unified, out of the "corpora" of scores.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq.report.report import MISSING, _interval, _value, markdown_table


def corpora_tables(scores: dict[str, Any]) -> list[str]:
    """The tables per corpus as Markdown, each with the sentence that is needed to read it."""
    corpora = scores["corpora"]
    if "matrix" in corpora:
        return [_matrix_table(corpora["matrix"])]
    parts = [_corpus_table(corpora["rows"])]
    compared = {name: block["alone"] for name, block in corpora["rows"].items() if block.get("alone")}
    if compared:
        parts.append(_alone_table(compared))
    return parts


def _corpus_table(rows: dict[str, dict[str, Any]]) -> str:
    header = ["corpus", "trained on", "utt.", "spk.", "classes", "UA %", "95 % interval", "WA %", "UA % open",
              "intensity UA %", "MAE", "gender %", "PER %"]  # fmt: skip
    table = []
    for name, block in rows.items():
        emotion = block.get("emotion", {})
        table.append([
            name, " + ".join(block["trained_on"]), str(block["num_utterances"]), str(emotion.get("num_speakers", "")),
            str(len(block["categories"])), _value(emotion.get("UA"), "%"), _interval(emotion.get("UA_ci95"), "%"),
            _value(emotion.get("WA"), "%"), _value(emotion.get("UA_open"), "%"),
            _value(block.get("intensity", {}).get("UA"), "%"), _value(block.get("intensity", {}).get("MAE"), ""),
            _value(block.get("gender", {}).get("accuracy"), "%"), _value(block.get("phone", {}).get("PER"), "%"),
        ])  # fmt: skip
    return (
        "Per corpus. UA and WA: the answer is the likeliest of the classes that train and the corpus both have; "
        "*open*: of all classes.\n\n" + markdown_table(header, table)
    )


def _alone_table(compared: dict[str, dict[str, Any]]) -> str:
    header = ["corpus, mean over speakers", "spk.", "experiment alone", "joint UA %", "alone UA %", "difference",
              "paired sign-flip test over speakers"]  # fmt: skip
    table = []
    for name, block in compared.items():
        recall = block["UA"]
        table.append([name, str(block["num_speakers"]), block["experiment"], _value(recall["joint"], "%"),
                      _value(recall["alone"], "%"), _value(recall["difference"], "%"), recall["test"]])  # fmt: skip
    return "Joint training beside training on the corpus alone.\n\n" + markdown_table(header, table)


def _cell(block: dict[str, Any] | None) -> float | None:
    return block["emotion"]["UA"] if block and "emotion" in block else None


def _matrix_table(matrix: dict[str, Any]) -> str:
    table = []
    for trained, cells in zip(matrix["train"], matrix["cells"], strict=True):
        row = [trained]
        for block in cells:
            value = _cell(block)
            row.append(MISSING if value is None else f"{100 * value:.2f} ({len(block['categories'])})")  # type: ignore[index]
        table.append(row)
    return (
        "UA % over shared categories (their number in parentheses; chance is 100 / number). Rows: trained on; columns: "
        "tested on. On its own corpus, the first fold's test speakers; on another, all of it.\n\n"
        + markdown_table(["trained on", *matrix["test"]], table)
    )


def plot_matrix(matrix: dict[str, Any], path: Path) -> None:
    """Draw the matrix as a heat map: UA above chance, as a share of what lies above chance, in colour; UA in text."""
    import matplotlib.pyplot as plt
    import numpy as np

    from seq.report.plots import STYLE, save_figure

    values = [[_cell(block) for block in cells] for cells in matrix["cells"]]
    above = np.array([[_above_chance(block) for block in cells] for cells in matrix["cells"]])
    rows, columns = above.shape
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(2.4 + 1.1 * columns, 1.6 + 0.8 * rows))
        image = axes.imshow(np.ma.masked_invalid(above), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(rows, columns):
            value = values[row][column]
            block = matrix["cells"][row][column]
            text = MISSING if value is None else f"{value:.0%}\n{len(block['categories'])} classes"
            colour = "white" if np.nan_to_num(above[row, column]) > 0.55 else "#1b2a41"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        _label(axes, matrix["test"], matrix["train"])
        axes.set_title("UA over shared categories", pad=10)
        bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label("0: chance, 1: all right")
        save_figure(figure, path)


def _above_chance(block: dict[str, Any] | None) -> float:
    value = _cell(block)
    if value is None or len(block["categories"]) < 2:  # type: ignore[index]
        return float("nan")
    chance = 1 / len(block["categories"])  # type: ignore[index]
    return max(0.0, (value - chance) / (1 - chance))


def _label(axes: Any, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="tested on", ylabel="trained on")

"""Before and after finetuning, on the same test utterances: the table, and one line that says how it went."""

from __future__ import annotations

from typing import Any

from seq.report.report import _columns, _interval, _value
from seq.score.intervals import paired_by_speaker, paired_test
from seq.utils.markdown_text import markdown_table

Scores = dict[str, Any]
# The first of these that both have is what the last line is about.
MAIN_METRICS = (("emotion", "UA"), ("intensity", "UA"), ("gender", "accuracy"), ("phone", "PER"))
# Of these, less is better.
ERRORS = ("MAE", "PER")


def comparison_table(before: Scores, after: Scores) -> str:
    """A row each for before and after with their intervals over speakers, and the difference (after - before)."""
    first, second = before["pooled"], after["pooled"]
    columns = _shared_columns(before, after)

    def row(name: str, pooled: Scores, suffix: str = "") -> list[str]:
        if suffix:
            return [name, *(_interval(pooled[task].get(f"{metric}{suffix}"), head) for task, metric, head in columns)]
        return [name, *(_value(pooled[task][metric], heading) for task, metric, heading in columns)]

    rows = [
        row("before", first),
        row("95 % interval", first, "_ci95"),
        row("after", second),
        row("95 % interval", second, "_ci95"),
        ["difference", *(_signed(_metric(second, c) - _metric(first, c), c[2]) for c in columns)],
        ["utterances", *(str(second[task]["n"]) for task, _, _ in columns)],
        ["speakers", *(str(second[task]["num_speakers"]) for task, _, _ in columns)],
    ]
    return markdown_table(["test", *(heading for _, _, heading in columns)], rows)


def _shared_columns(before: Scores, after: Scores) -> list[tuple[str, str, str]]:
    """The columns of the report that both have a value for."""
    return [c for c in _columns(after) if all(_metric(scores["pooled"], c) is not None for scores in (before, after))]


def _metric(pooled: Scores, column: tuple[str, str, str]) -> Any:
    return pooled.get(column[0], {}).get(column[1])


def _signed(difference: float, heading: str) -> str:
    text = _value(difference, heading)
    return text if text.startswith("-") else f"+{text}"


def verdict(before: Scores, after: Scores) -> str:
    """Whether the main metric rose or fell, by how much, with a paired test over speakers; and what else got worse."""
    first, second = before["pooled"], after["pooled"]
    columns = _shared_columns(before, after)
    main = next((column for name in MAIN_METRICS for column in columns if column[:2] == name), None)
    if main is None:
        return "Nothing can be compared: no test utterance has a label of what the model names."
    gains = {column: _gain(first, second, column) for column in columns}
    name, (old, new) = _name(main), (_value(_metric(pooled, main), main[2]) for pooled in (first, second))
    unit = " %" if "%" in main[2] else ""
    went = f"{name} on test went from {old} to {new}{unit}"
    if gains[main] > 0:
        said = f"Better after finetuning: {went}"
    elif gains[main] < 0:
        said = f"WORSE after finetuning: {went}; keep the model that you had"
    else:
        said = f"No better after finetuning: {name} on test is {new}{unit} as before"
    others = [
        f"{_name(c)} ({_value(_metric(first, c), c[2])} to {_value(_metric(second, c), c[2])})"
        for c in columns
        if gains[c] < 0 and c != main
    ]
    worse = f" Worse: {', '.join(others)}." if others else ""
    test = paired_test(*paired_by_speaker(second[main[0]]["speakers"], first[main[0]]["speakers"], main[1]))
    return f"{said}; paired test over speakers: {test}.{worse}"


def _gain(first: Scores, second: Scores, column: tuple[str, str, str]) -> float:
    difference = float(_metric(second, column) - _metric(first, column))
    return -difference if column[1] in ERRORS else difference


def _name(column: tuple[str, str, str]) -> str:
    heading = column[2].removesuffix(" %")
    return f"{column[0]} {heading}" if heading in ("MAE", "Spearman") else heading

"""Before and after finetuning, on the same test utterances: the table, and one line that says how it went."""

from __future__ import annotations

from seq.report.cells import TaskColumn, columns, signed
from seq.score.intervals import paired_by_speaker, paired_test
from seq.score.types import PoolScores, Scores, task_scores
from seq.tasks.registry import in_order
from seq.utils.markdown_text import markdown_table


def comparison_table(before: Scores, after: Scores) -> str:
    """A row each for before and after with their intervals over speakers, and the difference (after - before)."""
    first, second = before["pooled"], after["pooled"]
    shared = _shared_columns(before, after)
    blocks = [task_scores(second, column.task) or {} for column in shared]
    rows = [
        ["before", *(column.value(first) for column in shared)],
        ["95 % interval", *(column.interval(first) for column in shared)],
        ["after", *(column.value(second) for column in shared)],
        ["95 % interval", *(column.interval(second) for column in shared)],
        ["difference", *(signed(_difference(first, second, column), column.heading) for column in shared)],
        ["utterances", *(str(block.get("n", 0)) for block in blocks)],
        ["speakers", *(str(block.get("num_speakers", 0)) for block in blocks)],
    ]
    return markdown_table(["test", *(column.heading for column in shared)], rows)


def _shared_columns(before: Scores, after: Scores) -> list[TaskColumn]:
    """The columns of the report that both have a value for."""
    pools = (before["pooled"], after["pooled"])
    return [column for column in columns(after) if all(column.number(pool) is not None for pool in pools)]


def _difference(first: PoolScores, second: PoolScores, column: TaskColumn) -> float:
    old, new = column.number(first), column.number(second)
    assert old is not None and new is not None, column
    return new - old


def verdict(before: Scores, after: Scores) -> str:
    """Whether the main metric rose or fell, by how much, with a paired test over speakers; and what else got worse."""
    first, second = before["pooled"], after["pooled"]
    shared = _shared_columns(before, after)
    mains = [(task.name, task.main.metric) for task in in_order(after["tasks"])]
    main = next((column for name in mains for column in shared if (column.task, column.metric) == name), None)
    if main is None:
        return "Nothing can be compared: no test utterance has a label of what the model names."
    gains = {column: _gain(first, second, column) for column in shared}
    name, (old, new) = _name(main), (main.value(pool) for pool in (first, second))
    unit = " %" if "%" in main.heading else ""
    went = f"{name} on test went from {old} to {new}{unit}"
    if gains[main] > 0:
        said = f"Better after finetuning: {went}"
    elif gains[main] < 0:
        said = f"WORSE after finetuning: {went}; keep the model that you had"
    else:
        said = f"No better after finetuning: {name} on test is {new}{unit} as before"
    others = [f"{_name(c)} ({c.value(first)} to {c.value(second)})" for c in shared if gains[c] < 0 and c != main]
    worse = f" Worse: {', '.join(others)}." if others else ""
    speakers = [(task_scores(pool, main.task) or {}).get("speakers", {}) for pool in (second, first)]
    test = paired_test(*paired_by_speaker(speakers[0], speakers[1], main.metric))
    return f"{said}; paired test over speakers: {test}.{worse}"


def _gain(first: PoolScores, second: PoolScores, column: TaskColumn) -> float:
    difference = _difference(first, second, column)
    return -difference if column.column.less_is_better else difference


def _name(column: TaskColumn) -> str:
    """A heading that several tasks may have says nothing without its task."""
    heading = column.heading.removesuffix(" %")
    return heading if "%" in column.heading or column.task in heading else f"{column.task} {heading}"

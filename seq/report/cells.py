"""What stands in a cell of a table, and which columns a table has: all of it asked of the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seq.score.types import PoolScores, Scores, ends, metric
from seq.tasks.base import Column, Task
from seq.tasks.registry import in_order

MISSING = "–"
NUM_LEADING = 2


def value(number: float | None, heading: str) -> str:
    """A number under its heading: a fraction as percent where that has a %."""
    if number is None:
        return MISSING
    return f"{100 * number:.2f}" if "%" in heading else f"{number:.3f}"


def interval(found: Sequence[float] | None, heading: str) -> str:
    """A 95 % interval under the heading of its metric."""
    return MISSING if found is None else f"[{value(found[0], heading)}, {value(found[1], heading)}]"


def signed(difference: float, heading: str) -> str:
    """A difference under the heading of its metric."""
    text = value(difference, heading)
    return text if text.startswith("-") else f"+{text}"


@dataclass(frozen=True)
class TaskColumn:
    """A metric of a task as a column of a table."""

    task: str
    column: Column

    @property
    def metric(self) -> str:
        """The name in scores.json."""
        return self.column.metric

    @property
    def heading(self) -> str:
        """The name in tables."""
        return self.column.heading

    def number(self, pool: PoolScores) -> float | None:
        """The metric itself; None where it is undefined."""
        return metric(pool, self.task, self.metric)

    def value(self, pool: PoolScores) -> str:
        """The metric as a cell."""
        return value(self.number(pool), self.heading)

    def interval(self, pool: PoolScores) -> str:
        """Its 95 % interval as a cell."""
        return interval(ends(pool, self.task, self.metric), self.heading)


def columns_of(tasks: Sequence[str], unit: str) -> list[TaskColumn]:
    """All columns of tasks, in order."""
    return [TaskColumn(task.name, column) for task in in_order(tasks) for column in task.columns_for(unit)]


def leading_columns(task: Task) -> list[TaskColumn]:
    """The first columns of a task, for tables with room for few."""
    return [TaskColumn(task.name, column) for column in task.columns[:NUM_LEADING]]


def columns(scores: Scores) -> list[TaskColumn]:
    """The columns that tables of an experiment have: an optional one only where a row has it."""
    pools: list[PoolScores] = [scores["pooled"], *scores["folds"]]
    if valid := scores.get("valid"):
        pools.append(valid["pooled"])
    found = columns_of(scores["tasks"], scores["unit"])
    return [c for c in found if not c.column.is_optional or any(c.number(pool) is not None for pool in pools)]

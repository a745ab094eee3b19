"""Which tasks there are: every file of this package that defines `TASK`, and what is registered from outside."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from seq.errors import InputError
from seq.tasks.base import Task

_REGISTERED: dict[str, Task] = {}


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Task]:
    # Found by their text: other files of the package import numpy, which a list of names does not need.
    paths = Path(__file__).parent.glob("*.py")
    names = [path.stem for path in paths if re.search(r"^TASK = ", path.read_text(encoding="utf-8"), re.M)]
    tasks: list[Task] = [importlib.import_module(f"seq.tasks.{name}").TASK for name in names]
    return {task.name: task for task in tasks}


def register(task: Task) -> None:
    """Add a task that is defined elsewhere; twice is as once. Raises InputError where another one has its name."""
    if _known().setdefault(task.name, task) is not task:
        raise InputError(f"there is a task {task.name} already: give yours another name")
    _REGISTERED[task.name] = task


def unregister(task: Task) -> None:
    """Take back `register`."""
    _REGISTERED.pop(task.name, None)


def _known() -> dict[str, Task]:
    return {**_shipped(), **_REGISTERED}


def all_tasks() -> list[Task]:
    """Every task, in order."""
    return sorted(_known().values(), key=lambda task: (task.order, task.name))


def default_names() -> list[str]:
    """The tasks that are trained unless --tasks says otherwise."""
    return [task.name for task in all_tasks() if task.is_default]


def get_task(name: str) -> Task:
    """The task called `name`. Raises InputError where there is none."""
    if (task := _known().get(name)) is not None:
        return task
    raise InputError(f"there is no task {name!r}; choose from {','.join(task.name for task in all_tasks())}")


def in_order(names: Iterable[str]) -> list[Task]:
    """The tasks of these names, in order. Raises InputError for an unknown one."""
    wanted = {name: get_task(name) for name in names}
    return [task for task in all_tasks() if task.name in wanted]


def main_task() -> Task:
    """The first of the default tasks: what ablations start from, and what published figures are of."""
    return get_task(default_names()[0])


def first_category(tasks: Iterable[Task]) -> Task | None:
    """The first of these tasks that has classes which matter one by one."""
    return next((task for task in tasks if task.kind == "category" and task.by_class), None)


def main_category(names: Iterable[str]) -> Task | None:
    """The `first_category` of tasks by name: what `uncertain`, maps and matrices are of."""
    return first_category(in_order(names))


def parse_names(text: str) -> list[str]:
    """`emotion,gender` to names in order; nothing to the default ones. Raises InputError naming --tasks."""
    asked = [name.strip() for name in text.split(",") if name.strip()]
    try:
        return [task.name for task in in_order(asked)] if asked else default_names()
    except InputError as error:
        raise InputError(f"--tasks {text}: {error}") from error

"""What a call of run.sh holds, so that no other changes what it reads or writes: data/ and its experiment's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from seq.errors import InputError
from seq.recipe.plan import Plan
from seq.utils.files import remove_leftovers
from seq.utils.lock import FolderLock, open_lock, reading


class RecipeLocks:
    """First data/ is held alone, so that its stages may write, or beside others that only read it; then an experiment.

    All methods raise InputError, which names the other process, where it has what is needed.
    """

    def __init__(self, plan: Plan, stack: ExitStack) -> None:
        self.plan = plan
        self.stack = stack
        # Of egs/unified, the recipes that it combines.
        self.held = [stack.enter_context(reading(sibling.data_dir)) for sibling in plan.siblings]
        self.data = self._open(plan.data_dir)
        self.data.write_or_read()
        self.current = self.data

    def _open(self, folder: Path) -> FolderLock:
        lock = self.stack.enter_context(closing(open_lock(folder)))
        self.held.append(lock)
        return lock

    def enter_experiment(self) -> None:
        """Data are only read from here on: other experiments may be trained on them side by side."""
        if not self.data.is_shared:
            self.data.read()
        self.current = self._open(self.plan.experiment)
        self.current.write()

    def before_writing(self, stage: str) -> None:
        """Nobody else may be where a stage is about to write, and what a killed one left half written goes."""
        if self.current.is_shared:
            raise InputError(f"{stage} has to run, but {self.current.refusal()}")
        remove_leftovers(self.current.folder)

    def descriptors(self) -> list[int]:
        """What a stage inherits, so that it holds what it works on even without its runner."""
        return [lock.descriptor for lock in self.held]


@contextmanager
def recipe_locks(plan: Plan) -> Iterator[RecipeLocks]:
    """Hold what a call of run.sh needs, from its first look at the data on. Raises InputError as `RecipeLocks`."""
    with ExitStack() as stack:
        yield RecipeLocks(plan, stack)

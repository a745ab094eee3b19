"""What people see of a run while it trains: a bar, a line per epoch on the terminal and in train.log, curves."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from seq.tasks.registry import in_order
from seq.train.validation import ValidScores
from seq.utils.progress import progress_bar
from seq.utils.run_folder import RunFolder

REFRESH_SECONDS = 5.0
# In the history: utterances of an epoch whose text does not fit into their frames, so that CTC leaves them out.
TOO_SHORT = "too_short_for_text"


def _main_scores(valid: ValidScores) -> str:
    """The metric that each task is judged by, and the loss where there is one."""
    parts = []
    for task in in_order(valid):
        found = valid[task.name]
        loss = f" (loss {found['loss']:.3f})" if "loss" in found else ""
        parts.append(f"{task.name} {task.main.metric} {found[task.main.metric]:.3f}{loss}")
    return ", ".join(parts)


class TrainingLog:
    """Of several ranks, only the first one is heard."""

    def __init__(
        self, run_dir: Path, label: str, first_epoch: int, num_epochs: int, bar_row: int, is_heard: bool
    ) -> None:
        self.run_dir, self.label, self.num_epochs, self.is_heard = run_dir, label, num_epochs, is_heard
        self._shown = 0.0
        if is_heard:
            self._writer = SummaryWriter(str(RunFolder(run_dir).tensorboard), purge_step=first_epoch + 1)
            self._bar = progress_bar(
                total=num_epochs, initial=first_epoch, desc=label, unit="epoch", position=bar_row, dynamic_ncols=True
            )

    def batch(self, done: float, sums: dict[str, tuple[float, int]], history: list[dict[str, Any]]) -> None:
        """Show how far the epoch is, now and then.

        Args:
            done: the part of the epoch that is done, 0 to 1.
            sums: per task, the sum of its losses in this epoch and how many they are.
        """
        if not self.is_heard or time.monotonic() - self._shown < REFRESH_SECONDS:
            return
        self._shown = time.monotonic()
        parts = [f"{int(100 * done)}%"]
        parts += [f"{task} {total / max(count, 1):.2f}" for task, (total, count) in sums.items()]
        if history:
            parts.append(f"valid {_main_scores(history[-1]['valid'])}")
        self._bar.set_postfix_str(", ".join(parts))

    def epoch(self, row: dict[str, Any]) -> None:
        """Write down an epoch, a row of history.jsonl."""
        if not self.is_heard:
            return
        self._bar.update(1)
        for name, value in row["train"].items():
            self._writer.add_scalar(f"train/{name}", value, row["epoch"])
        for task, metrics in row["valid"].items():
            for name, value in metrics.items():
                self._writer.add_scalar(f"valid/{task}/{name}", value, row["epoch"])
        scores = _main_scores(row["valid"])
        if short := row["train"].get(TOO_SHORT):
            scores += f"; CTC left out {short} utterances with more text than frames"
        epochs = f"{row['epoch']}/{self.num_epochs}"
        line = f"{self.label} epoch {epochs}: loss {row['train']['loss']:.3f}; valid {scores}; {row['seconds']:.0f} s"
        self._bar.write(line, file=sys.stderr)
        with open(RunFolder(self.run_dir).log, "a", encoding="utf-8") as log:
            log.write(line + "\n")

    def close(self) -> None:
        """Finish the bar and the curves."""
        if self.is_heard:
            self._bar.close()
            self._writer.close()

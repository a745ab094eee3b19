"""Which weights decode: those that valid chose, or others, named as icefall names them; and what to say of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq.utils.files import read_json
from seq.utils.run_folder import RunFolder

BY_VALID = "valid"
POST_HOC = "post-hoc"


@dataclass(frozen=True)
class Choice:
    """Weights to decode with; None leaves it to what training on valid chose."""

    # epoch-<epoch>.pt, or the last `avg` checkpoint-<batch>.pt up to batch `iteration`.
    epoch: int | None = None
    iteration: int | None = None
    avg: int | None = None
    use_averaged_model: bool = True

    @property
    def is_default(self) -> bool:
        """Whether valid alone chooses."""
        return self == Choice()


def read_records(run_dirs: Iterable[Path]) -> list[dict[str, Any]]:
    """What stage 6 noted in each run folder that it decoded."""
    return [read_json(path) for path in (RunFolder(run_dir).decode_json for run_dir in run_dirs) if path.exists()]


def describe_records(records: list[dict[str, Any]]) -> str | None:
    """One line on how the predictions of these runs were made; None where nobody noted it."""
    if not records:
        return None
    weights = sorted({_describe_weights(record) for record in records})
    ctc = sorted({f"CTC by {record['ctc_backend']}, {record['graph']}" for record in records if record["ctc_backend"]})
    return "; ".join(["decoded with " + " / ".join(weights), *ctc])


def is_post_hoc(records: list[dict[str, Any]]) -> bool:
    """Whether any of the runs was decoded with weights that valid did not choose."""
    return any(record["chosen_by"] == POST_HOC for record in records)


def _describe_weights(record: dict[str, Any]) -> str:
    kind = "averaged model" if record["use_averaged_model"] else "plain models"
    if record["chosen_by"] == BY_VALID:
        return f"the epoch that valid chose, --avg {record['avg']}, {kind}"
    end = f"--epoch {record['epoch']}" if "epoch" in record else f"--iter {record['iteration']}"
    return f"{end} --avg {record['avg']}, {kind} (post-hoc: not chosen by valid)"

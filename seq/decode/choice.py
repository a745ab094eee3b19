"""Which weights decode: those that valid chose, or others, named as icefall names them; and what to say of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

from seq.utils.files import read_json
from seq.utils.run_folder import RunFolder
from seq.utils.typed_values import NonNegativeInt, PositiveInt, read_typed

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


class _End(TypedDict, total=False):
    # One of the two.
    epoch: PositiveInt
    iteration: PositiveInt
    # Where a task is a sequence.
    graph: str
    # Of each part; older runs lack it.
    num_predictions: dict[str, NonNegativeInt]


class DecodeRecord(_End):
    """decode.json: which weights the predictions of a run come from, and how its symbols were decoded."""

    chosen_by: Literal["valid", "post-hoc"]
    avg: PositiveInt
    use_averaged_model: bool
    ctc_backend: str | None


def read_records(run_dirs: Iterable[Path]) -> list[DecodeRecord]:
    """What stage 6 noted in each run folder that it decoded. Raises InputError for a decode.json that is damaged."""
    paths = (RunFolder(run_dir).decode_json for run_dir in run_dirs)
    return [
        read_typed(read_json(path), DecodeRecord, f"{path} is damaged, run stage 6 again")
        for path in paths
        if path.exists()
    ]


def describe_records(records: list[DecodeRecord]) -> str | None:
    """One line on how the predictions of these runs were made; None where nobody noted it."""
    if not records:
        return None
    weights = sorted({_describe_weights(record) for record in records})
    ctc = sorted({f"CTC by {record['ctc_backend']}, {record['graph']}" for record in records if record["ctc_backend"]})
    return "; ".join(["decoded with " + " / ".join(weights), *ctc])


def is_post_hoc(records: list[DecodeRecord]) -> bool:
    """Whether any of the runs was decoded with weights that valid did not choose."""
    return any(record["chosen_by"] == POST_HOC for record in records)


def _describe_weights(record: DecodeRecord) -> str:
    kind = "averaged model" if record["use_averaged_model"] else "plain models"
    if record["chosen_by"] == BY_VALID:
        return f"the epoch that valid chose, --avg {record['avg']}, {kind}"
    end = f"--epoch {record['epoch']}" if "epoch" in record else f"--iter {record['iteration']}"
    return f"{end} --avg {record['avg']}, {kind} (post-hoc: not chosen by valid)"

"""The files of stage 3: fold_<k>.json, and folds.json, which says how many folds there are and why some are skipped.

The runner asks for them, so this imports the standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from seq.errors import InputError, name_some
from seq.utils.files import read_json, update_json
from seq.utils.typed_values import PositiveInt, read_typed

if TYPE_CHECKING:
    from seq.data.fold_checks import Fold

SUMMARY = "folds.json"
# Leave-one-speaker-out of CREMA-D has 91. Each fold is a file that names all utterances, and a training.
MAX_FOLDS = 100


@dataclass(frozen=True)
class FoldsSummary:
    """The folds of a protocol, and what a partial copy of the corpus leaves of them.

    `num_folds`: those of the protocol, skipped ones included. `skipped`: number of a fold to the reason. `absent`:
    "speakers", "sentences" and "utterances" that the folds name and the copy lacks.
    """

    num_folds: int
    skipped: dict[int, str] = field(default_factory=dict)
    absent: dict[str, list[str]] = field(default_factory=dict)

    def describe(self) -> list[str]:
        """What is absent and skipped, a sentence each."""
        lines = [f"the folds go without the {what} {name_some(names)}" for what, names in self.absent.items()]
        return lines + [f"fold {number} is skipped: {reason}" for number, reason in sorted(self.skipped.items())]


class _Summary(TypedDict):
    num_folds: PositiveInt
    # By number.
    skipped: dict[str, str]
    absent: dict[str, list[str]]


class FoldParts(TypedDict):
    """What scores need of fold_<k>.json: whose fold it is, and the ids of its parts."""

    protocol: str
    train: list[str]
    valid: list[str]
    test: list[str]


def read_fold_parts(folds_dir: Path, number: int) -> FoldParts:
    """The parts of a fold. Raises InputError, naming the file, where it is missing or not what stage 3 writes."""
    path = fold_json(folds_dir, number)
    return read_typed(read_json(path), FoldParts, f"{path} is damaged, run stage 3 again")


def fold_json(folds_dir: Path, number: int) -> Path:
    """The file of a fold."""
    return folds_dir / f"fold_{number}.json"


def check_num_folds(protocol: str, count: int) -> None:
    """Raises InputError where a protocol has more folds than anybody trains."""
    if count > MAX_FOLDS:
        raise InputError(f"protocol {protocol} has {count} folds, and {MAX_FOLDS} are the most: put speakers together")


def fold_numbers(folds_dir: Path) -> list[int]:
    """The folds that stage 3 has written, ascending."""
    return sorted(int(path.stem.removeprefix("fold_")) for path in folds_dir.glob("fold_*.json"))


def choose_folds(folds_dir: Path, asked: list[int]) -> list[int]:
    """The folds asked for, or all that there are.

    Raises:
        InputError: there are none, or one that was asked for is not there.
    """
    numbers = fold_numbers(folds_dir)
    if not numbers:
        raise InputError(f"{folds_dir} has no folds: run stage 3 first")
    unknown = [fold for fold in asked if fold not in numbers]
    if unknown:
        reason = read_summary(folds_dir).skipped.get(unknown[0])
        why = f"fold {unknown[0]} is skipped ({reason})" if reason else f"{folds_dir} has no fold {unknown[0]}"
        raise InputError(f"--folds: {why}; choose from {', '.join(map(str, numbers))}")
    return asked or numbers


def read_summary(folds_dir: Path) -> FoldsSummary:
    """What folds.json says; folds without one are of a complete corpus."""
    if not (folds_dir / SUMMARY).exists():
        return FoldsSummary(len(fold_numbers(folds_dir)))
    complaint = f"{folds_dir / SUMMARY} is damaged, run stage 3 again"
    data = read_typed(read_json(folds_dir / SUMMARY), _Summary, complaint)
    if odd := next((number for number in data["skipped"] if not number.isdecimal()), None):
        raise InputError(f"{complaint}: skipped has {odd!r}, which is no number")
    skipped = {int(number): reason for number, reason in data["skipped"].items()}
    return FoldsSummary(data["num_folds"], skipped, data["absent"])


def write_folds(
    out_dir: Path,
    corpus: str,
    protocol: str,
    folds: Iterable[tuple[Fold, Mapping[str, int]]],
    summary: FoldsSummary,
) -> None:
    """Write every fold with its counts of excluded utterances, then the summary; folds that are no more go.

    A file that would not change keeps its time, so that nothing is done again because of it.
    """
    written = set()
    for fold, excluded in folds:
        head: dict[str, Any] = {"corpus": corpus, "protocol": protocol}
        path = fold_json(out_dir, fold.fold)
        data = dict(vars(fold))
        if not fold.untested:
            # The files of folds that test somebody are those of versions that knew no others.
            del data["untested"]
        update_json(path, {**head, **data, "excluded": dict(sorted(excluded.items()))})
        written.add(path)
    for stale in set(out_dir.glob("fold_*.json")) - written:
        stale.unlink()
    update_json(out_dir / SUMMARY, {"protocol": protocol, **asdict(summary)})

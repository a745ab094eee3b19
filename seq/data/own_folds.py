"""Folds that a corpus's own table says, in its column `split` or `fold`."""

from __future__ import annotations

from seq.conf import ProtocolConf
from seq.data.fold_checks import PARTS, Fold, FoldItem, make_fold
from seq.errors import InputError

# Test, valid, and something to train on.
MIN_FOLDS = 3


def own_folds(items: list[FoldItem], protocol: ProtocolConf, partial: bool = False) -> list[Fold]:
    """The folds of `protocol.column`; an utterance whose cell is empty is in no part.

    Args:
        partial: the corpus is a partial copy: folds may lack a part.

    Raises:
        InputError: nobody is in some part, or there are fewer than three folds.
    """
    if protocol.column == "split":
        parts = {part: [item for item in items if item.split == part] for part in PARTS}
        if not partial and (empty := [part for part in PARTS if not parts[part]]):
            raise InputError(
                f"protocol {protocol.name}: no labelled utterance of the corpus's table has {empty[0]} in its column "
                "split: all of train, valid and test are needed, so mark some"
            )
        return [make_fold(1, protocol, parts)]
    names = sorted({item.fold for item in items if item.fold is not None}, key=_natural)
    if len(names) < MIN_FOLDS:
        raise InputError(
            f"protocol {protocol.name}: the column fold of the corpus's table has {len(names)} different values, and "
            f"{MIN_FOLDS} are the least, since one is tested and the next one is valid: correct the table, or take a "
            "protocol of another kind"
        )
    folds = []
    for index, name in enumerate(names):
        following = names[(index + 1) % len(names)]
        parts = {
            "test": [item for item in items if item.fold == name],
            "valid": [item for item in items if item.fold == following],
            "train": [item for item in items if item.fold not in (name, following, None)],
        }
        folds.append(make_fold(index + 1, protocol, parts))
    return folds


def _natural(name: str) -> tuple[bool, int, str]:
    """Numbers by their size, before words."""
    return (False, int(name), "") if name.isdecimal() else (True, 0, name)

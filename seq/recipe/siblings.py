"""The recipes whose manifests, features and folds egs/unified combines: where their files are, and whether they are.

The runner asks before every run, so this imports the standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seq.conf import Conf
from seq.data.fold_files import fold_numbers
from seq.errors import InputError
from seq.models.pretrained.spec import encoder_folder
from seq.recipe.files import RecipeFiles, experiment_name

JOINT: Final = "joint"
LEAVE_ONE_OUT: Final = "leave_one_corpus_out"
CROSS: Final = "cross_corpus"
# Of nothing but train and valid: for a model that is given away.
WHOLE: Final = "whole"
PROTOCOLS: Final = (JOINT, LEAVE_ONE_OUT, CROSS, WHOLE)


@dataclass(frozen=True)
class Sibling(RecipeFiles):
    """A prepared corpus: its name, its recipe folder seen from ours, and the protocol whose folds it follows."""

    name: str
    recipe: Path
    protocol: str
    # What stage 2 calls the pretrained encoder that hears the audio; empty where filter banks are read.
    encoder: str = ""

    def place(self) -> tuple[Path, str, str]:
        return self.recipe, self.name, self.protocol

    def fold_numbers(self) -> list[int]:
        """The folds of its protocol, ascending."""
        return fold_numbers(self.folds_dir)

    def inputs(self) -> list[Path]:
        """The files of it that are read."""
        folds = [self.fold_json(number) for number in self.fold_numbers()]
        return [self.corpus_json, self.audio_table, self.cuts, self.feature_cuts(self.encoder), *folds]

    def own_scores(self, prefix: str) -> Path:
        """The scores of its own experiment, made by its recipe; they need not be there."""
        return self.exp_dir(experiment_name(prefix, self.protocol)) / "scores.json"

    @property
    def prepare(self) -> str:
        """The command that prepares it."""
        model = " with the same --model" if self.encoder else ""
        return f"{self.recipe}/run.sh --protocol {self.protocol} --stop-stage 4{model}"

    def check(self) -> None:
        """Raises InputError where its recipe has not prepared what is read."""
        missing = [path for path in self.inputs() if not path.exists()]
        if not self.fold_numbers():
            missing.append(self.fold_json(1))
        if missing:
            raise InputError(
                f"corpus {self.name} is not prepared ({missing[0]} is missing): run {self.prepare} first, "
                "or take it out of unified.corpora in the conf"
            )


def open_siblings(conf: Conf) -> list[Sibling]:
    """The corpora of a conf, checked; none in the recipe of a single corpus.

    Raises:
        InputError: one corpus alone, one of them twice, or one that is not prepared.
    """
    encoder, names = encoder_folder(conf.model, conf.augment), [item.name for item in conf.unified.corpora]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"unified.corpora of the conf names {twice[0]} twice: keep one")
    if len(names) == 1:
        raise InputError(f"unified.corpora of the conf names {names[0]} alone: name two corpora or more")
    found = [
        Sibling(item.name, Path(item.recipe or f"../{item.name}"), item.protocol, encoder)
        for item in conf.unified.corpora
    ]
    for sibling in found:
        sibling.check()
    return found


def count_folds(protocol: str, siblings: list[Sibling]) -> int:
    """How many folds a protocol of egs/unified has. Raises InputError for a protocol that it does not know."""
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol {protocol}: where unified.corpora is set, protocols are {', '.join(PROTOCOLS)}")
    if protocol == JOINT:
        # The numbers and not how many: a partial copy may skip some.
        return max(number for sibling in siblings for number in sibling.fold_numbers())
    return 1 if protocol == WHOLE else len(siblings)

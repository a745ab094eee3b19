"""A recipe with its conf and protocol, for commands that work beside the runner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seq.conf import Conf, ProtocolConf
from seq.models.pretrained.spec import encoder_folder
from seq.recipe.files import RecipeFiles


@dataclass(frozen=True)
class Recipe(RecipeFiles):
    """A recipe folder `egs/<corpus>` with one conf and one of its protocols."""

    folder: Path
    conf: Conf
    protocol: ProtocolConf

    @property
    def features(self) -> Path:
        """The manifest of stage 2 that networks of this conf read."""
        return self.feature_cuts(encoder_folder(self.conf.model, self.conf.augment))

    def place(self) -> tuple[Path, str, str]:
        return self.folder, self.conf.corpus.name, self.protocol.name

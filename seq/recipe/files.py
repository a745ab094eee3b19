"""Where the files of a recipe are. The standard library alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from seq.data.fold_files import fold_json
from seq.errors import InputError
from seq.models.pretrained.spec import features_folder, storage_folder
from seq.tasks.registry import default_names
from seq.utils.names import wrong_name


class RecipeFiles(ABC):
    """The files of one recipe folder, one corpus and one protocol."""

    @abstractmethod
    def place(self) -> tuple[Path, str, str]:
        """The recipe's folder, the corpus's name and the protocol's name."""

    @property
    def data_dir(self) -> Path:
        """What stages 0 to 4 write, for all experiments."""
        return self.place()[0] / "data"

    def data_stamp(self, name: str) -> Path:
        """What says that a stage that prepares data is finished, and what it was made from."""
        return self.data_dir / f".stages/{name}.json"

    @property
    def corpus_json(self) -> Path:
        """What stage 0 found."""
        return self.data_dir / "corpus.json"

    @property
    def audio_table(self) -> Path:
        """A row per audio file."""
        return self.data_dir / "audio.jsonl"

    @property
    def cuts(self) -> Path:
        """The manifest of stage 1."""
        return self.data_dir / f"manifests/{self.place()[1]}_cuts.jsonl.gz"

    @property
    def fbank_cuts(self) -> Path:
        """The manifest with filter banks of stage 2."""
        return self.feature_cuts("")

    def feature_cuts(self, encoder: str) -> Path:
        """The manifest of stage 2 with what a network reads: filter banks, or what the encoder of this name heard."""
        return self.data_dir / features_folder(encoder) / f"{self.place()[1]}_cuts.jsonl.gz"

    def feature_storage(self, encoder: str) -> Path:
        """The features themselves."""
        return self.data_dir / storage_folder(encoder) / "storage"

    @property
    def folds_dir(self) -> Path:
        """The folds of stage 3."""
        return self.data_dir / "folds" / self.place()[2]

    def fold_json(self, number: int) -> Path:
        """Who is train, valid and test in a fold."""
        return fold_json(self.folds_dir, number)

    @property
    def lang_dir(self) -> Path:
        """Phones and transcripts of stage 4."""
        return self.data_dir / "lang_phone"

    def exp_dir(self, name: str) -> Path:
        """The folder of the experiment called `name`. Raises InputError for a name that no folder below exp/ has."""
        if wrong := wrong_name(name):
            raise InputError(f"the name of the experiment, {name!r}, {wrong}: choose another")
        return self.place()[0] / "exp" / name


def experiment_prefix(conf: Path, model: str) -> str:
    """How the names of experiments begin: the model's name, after that of a conf that is not the recipe's own."""
    return model if conf.stem == "default" else f"{conf.stem}_{model}"


def experiment_name(prefix: str, protocol: str, tasks: list[str] | None = None) -> str:
    """`<prefix>_<protocol>`, and the tasks where they are others than the default ones (None)."""
    chosen = [] if tasks is None or tasks == default_names() else ["+".join(tasks)]
    return "_".join([prefix, protocol, *chosen])

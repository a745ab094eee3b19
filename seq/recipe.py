"""Where the files of a recipe are, for commands that work beside the runner; local/run.sh defines the same paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seq.conf import TASKS, Conf, ProtocolConf, load_conf
from seq.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """A recipe folder `egs/<corpus>` with one conf and one of its protocols."""

    folder: Path
    conf: Conf
    protocol: ProtocolConf

    @property
    def corpus_json(self) -> Path:
        return self.folder / "data/corpus.json"

    @property
    def cuts(self) -> Path:
        return self.folder / f"data/manifests/{self.conf.corpus.name}_cuts.jsonl.gz"

    @property
    def fbank_cuts(self) -> Path:
        return self.folder / f"data/fbank/{self.conf.corpus.name}_cuts.jsonl.gz"

    @property
    def folds_dir(self) -> Path:
        return self.folder / "data/folds" / self.protocol.name

    @property
    def lang_dir(self) -> Path:
        return self.folder / "data/lang_phone"

    def exp_dir(self, name: str) -> Path:
        """The folder of the experiment called `name`."""
        return self.folder / "exp" / name


def open_recipe(folder: Path, conf: Path | None, overrides: list[str], protocol: str | None) -> Recipe:
    """The recipe at `folder` with `conf` (default: its conf/default.yaml).

    Raises:
        InputError: there is no recipe, or the conf or the protocol is wrong.
    """
    if not (folder / "run.sh").is_file():
        raise InputError(f"--recipe {folder}: there is no run.sh; pass a recipe folder such as egs/ravdess")
    loaded = load_conf(conf or folder / "conf/default.yaml", overrides)
    return Recipe(folder.resolve(), loaded, loaded.protocol(protocol or None))


def experiment_name(stem: str, protocol: str, tasks: list[str]) -> str:
    """The name that the runner gives an experiment by default (`seq.plan.resolve_plan`)."""
    return f"{stem}_{protocol}" + ("" if len(tasks) == len(TASKS) else "_" + "+".join(tasks))

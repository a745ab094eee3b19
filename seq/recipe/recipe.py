"""A recipe with its conf and protocol, for commands that work beside the runner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seq.conf import Conf, ProtocolConf, load_conf
from seq.errors import InputError
from seq.recipe.files import RecipeFiles
from seq.tasks.registry import default_names


@dataclass(frozen=True)
class Recipe(RecipeFiles):
    """A recipe folder `egs/<corpus>` with one conf and one of its protocols."""

    folder: Path
    conf: Conf
    protocol: ProtocolConf

    def place(self) -> tuple[Path, str, str]:
        return self.folder, self.conf.corpus.name, self.protocol.name


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
    """The name that the runner gives an experiment by default (`seq.recipe.plan.resolve_plan`)."""
    return f"{stem}_{protocol}" + ("" if tasks == default_names() else "_" + "+".join(tasks))

"""The command line of a recipe's run.sh: what may be given, what it means, and what is wrong with what was given.

Before there is an environment `--help` and a mistyped option must be answered: the standard library alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from seq.corpora.base import ReaderOption
from seq.errors import InputError
from seq.tasks.registry import all_tasks, default_names
from seq.utils.model_conf import PATH_KEYS, model_names
from seq.utils.names import is_utf8


@dataclass(frozen=True)
class Option:
    """One option; `value` is what --help calls its value, and empty for one that takes none."""

    name: str
    value: str
    help: str
    default: str = ""
    # What the whole value must match, and that in words; None takes all.
    pattern: str | None = None
    form: str = ""


OPTIONS: Final = (
    Option("stage", "N", "start at stage N and run it whatever has changed; training goes on from its last checkpoint"),
    Option("stop-stage", "N", "stop after stage N (default: the last)"),
    Option("folds", "1,2|all", "folds to train, decode and score (default: all)", "all",
           r"all|[1-9]\d{0,3}(,[1-9]\d{0,3})*", "all, or numbers from 1 with commas, such as 1,2"),
    Option("seeds", "0,1", "seeds, each of which is trained on every fold (default: 0)", "0",
           r"(0|[1-9]\d{0,8})(,(0|[1-9]\d{0,8}))*", "numbers with commas, such as 0,1"),
    Option("model", "NAME", "network and its training, a file of local/conf (default: the conf's, or scratch)"),
    Option("protocol", "NAME", "classes and split, among those of the conf (default: its first)"),
    Option("tasks", "A,B", f"heads to train: {', '.join(task.name for task in all_tasks())} "
           f"(default: {','.join(default_names())})"),
    Option("nj", "N", "processes side by side (default: the number of cores)", "",
           r"[1-9]\d{0,3}", "a number from 1"),
    Option("cluster", "ADDRESS", "a Dask cluster instead: tcp://host:8786, tls://..., a scheduler file, or local:N", "",
           r"|local:[1-9]\d{0,3}|(?!local:).+", "local:N with a number from 1, or where a scheduler is"),
    Option("device", "NAME", "auto, cpu or cuda (default: auto)", "auto", "auto|cpu|cuda", "auto, cpu or cuda"),
    Option("gpus", "N", "GPUs that train one network together, by torchrun (default: 1)", "1",
           r"[1-9]\d{0,2}", "a number from 1"),
    Option("corpus-dir", "DIR", "where the corpus is (default: where stage 0 last found it)"),
    Option("conf", "FILE", "configuration (default: conf/default.yaml of the recipe)"),
    Option("set", "KEY=VALUE", "override a value of the conf, e.g. train.num_epochs=10; may be repeated"),
    Option("exp-name", "NAME", "folder below exp/ (default: <model>_<protocol>, and the tasks if not all)",
           "", r"|[A-Za-z0-9_][A-Za-z0-9_.+-]*", "a folder name of letters, digits and _ . + -"),
    Option("allow-partial", "", "go on where files of the corpus are missing"),
    Option("force", "", "run every stage that is asked for"),
    Option("help", "", "this text"),
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """A command line, checked as far as that goes without a conf."""

    # None: from the first stage on, those that are not up to date.
    stage: int | None
    stop_stage: int
    folds: str
    seeds: str
    model: str
    protocol: str
    tasks: str
    nj: int
    # Empty: processes here.
    cluster: str
    device: str
    gpus: int
    corpus_dir: str
    conf: Path
    exp_name: str
    allow_partial: bool
    force: bool
    help: bool
    overrides: list[str] = field(default_factory=list)
    # Those that the corpus's reader declares.
    reader: dict[str, str] = field(default_factory=dict)

    @property
    def workers(self) -> list[str]:
        """What stages are told of who works."""
        return ["--nj", str(self.nj), *(["--cluster", self.cluster] if self.cluster else [])]

    @property
    def asked_folds(self) -> list[int]:
        """The folds that were named, ascending; none for all."""
        return [] if self.folds == "all" else sorted({int(fold) for fold in self.folds.split(",")})


def parse_options(
    arguments: Sequence[str], default_conf: Path, last_stage: int, declared: Callable[[Path], Sequence[ReaderOption]]
) -> tuple[Options, Sequence[ReaderOption]]:
    """The options of a command line, and those that the reader of its conf declares.

    Args:
        declared: from a conf to the options of its reader.

    Raises:
        InputError: an option is unknown, lacks a value or has one that cannot be.
    """
    # Options and places are written into JSON.
    if wrong := next((text for text in (*arguments, os.getcwd(), str(default_conf)) if not is_utf8(text)), None):
        raise InputError(f"{wrong!a} is not UTF-8: rename the file or folder")
    # The conf that was named last; an option's value never begins with --.
    named = [after for name, after in pairwise(arguments) if name == "--conf"]
    named += [argument[len("--conf=") :] for argument in arguments if argument.startswith("--conf=")]
    conf = Path(_absolute(named[-1])) if named else default_conf
    reader_options = declared(conf)
    known = {option.name: option for option in OPTIONS}
    known.update({option.name: Option(option.name, "VALUE", option.help) for option in reader_options})
    given, overrides = _read(arguments, known)
    values = {option.name: given.get(option.name, option.default) for option in OPTIONS}
    for name, value in given.items():
        pattern = known[name].pattern
        if pattern is not None and not re.fullmatch(pattern, value, re.ASCII):
            raise InputError(f"--{name} {value}: it must be {known[name].form}")
    stages = {name: _stage(name, given[name], last_stage) for name in ("stage", "stop-stage") if name in given}
    first, stop = stages.get("stage"), stages.get("stop-stage", last_stage)
    if first is not None and first > stop:
        raise InputError(f"--stage {first} comes after --stop-stage {stop}: nothing would run")
    if int(values["gpus"]) > 1 and values["cluster"]:
        raise InputError("--gpus and --cluster: runs of several GPUs are not sent to a cluster, leave one of them out")
    names = {option.name for option in reader_options}
    options = Options(
        first, stop, values["folds"], values["seeds"], values["model"], values["protocol"], values["tasks"],
        int(values["nj"] or _num_cores()), _cluster(values["cluster"]), values["device"],
        int(values["gpus"]), _absolute(values["corpus-dir"]), conf, values["exp-name"], "allow-partial" in given,
        "force" in given, "help" in given, overrides,
        {name: _absolute(value) for name, value in given.items() if name in names},
    )  # fmt: skip
    return options, reader_options


def _read(arguments: Sequence[str], known: dict[str, Option]) -> tuple[dict[str, str], list[str]]:
    """`--name value`, `--name=value` and flags by name, and the values of --set."""
    given: dict[str, str] = {}
    overrides: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument[2:].partition("=")
        if not argument.startswith("--") or not argument[2:]:
            raise InputError(f"{argument} is not an option: options begin with --, and --help lists them")
        if name not in known:
            raise InputError(f"unknown option --{name}: --help lists the options of this recipe")
        if not known[name].value:
            if equals:
                raise InputError(f"--{name} takes no value")
        elif not equals:
            if not rest or rest[0].startswith("--"):
                raise InputError(f"--{name} needs a value: write --{name} VALUE")
            value = rest.pop(0)
        if name == "set":
            overrides.append(_with_absolute_path(value))
        else:
            given[name] = value
    return given, overrides


def _stage(name: str, value: str, last_stage: int) -> int:
    if not re.fullmatch(r"\d{1,3}", value, re.ASCII) or int(value) > last_stage:
        raise InputError(f"--{name} {value}: it must be a stage from 0 to {last_stage}")
    return int(value)


def _absolute(path: str) -> str:
    """A path that does not depend on where a script stands; what is already absolute stays."""
    return os.path.join(os.getcwd(), path) if path else ""


def _cluster(address: str) -> str:
    """The same, and a scheduler file as seen from anywhere."""
    return address if "://" in address or address.startswith("local:") else _absolute(address)


def _with_absolute_path(override: str) -> str:
    """An override that names a place on the disk, as seen from where it was typed."""
    key, _, value = override.partition("=")
    return f"{key}={_absolute(os.path.expanduser(value))}" if key in PATH_KEYS and value else override


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usage(recipe: str, stages: Sequence[str], reader_options: Sequence[ReaderOption]) -> str:
    """What --help prints.

    Args:
        stages: a line per stage.
    """
    rows = [(f"--{option.name} {option.value}".rstrip(), option.help) for option in OPTIONS]
    rows += [(f"--{option.name} VALUE", option.help) for option in reader_options]
    return "\n".join([
        f"Usage: egs/{recipe}/run.sh [options]",
        "",
        "Stages (one whose inputs have not changed since it finished is skipped):",
        *(f"  {stage}" for stage in stages),
        "",
        "Options:",
        *(f"  {name:<19} {text}" for name, text in rows),
        "",
        f"Models: {', '.join(model_names())}",
    ])  # fmt: skip

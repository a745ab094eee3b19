"""What one call of a recipe's run.sh is about: protocol, folds, seeds, tasks, the experiment's name.

Like `seq.recipe.stages`, this costs milliseconds: the standard library and PyYAML.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from seq.corpora.base import ReaderOption, get_reader
from seq.errors import InputError
from seq.recipe.siblings import count_folds, raw_siblings
from seq.tasks.registry import default_names, parse_names
from seq.utils.files import read_json

# One fold and one seed: what is trained and decoded at once. Folds count from 1.
Unit = tuple[int, int]


def reader_options(conf: Path) -> tuple[ReaderOption, ...]:
    """The options that the reader of a conf's corpus declares.

    The reader's name is found without a YAML parser: run.sh asks before there is an environment.
    """
    try:
        lines = conf.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"conf {conf} cannot be read: pass an existing file with --conf") from error
    for line in lines:
        found = re.match(r"""[^#]*\breader:\s*["']?(\w+)""", line)
        if found:
            return get_reader(found[1]).options
    raise InputError(f"conf {conf} names no reader: give it a line `reader: NAME` under corpus")


def resolve_plan(
    raw: dict[str, Any], conf: Path, protocol: str, folds: str, seeds: str, tasks: str, exp_name: str
) -> dict[str, str]:
    """Fill in what the command line left to the conf, and check what it names.

    Args:
        raw: `seq.conf.read_conf_file` of `conf`.
        conf: the conf file; its stem begins the experiment's default name.
        protocol: name of a protocol, or "" for the first.
        folds: "all" or numbers with commas, from 1.
        seeds: numbers with commas.
        tasks: tasks with commas, or "" for the default ones.
        exp_name: name of the experiment, or "" for `<conf stem>_<protocol>[_<tasks>]`.

    Returns:
        corpus, protocol, folds, seeds, tasks, exp_name, all as strings.

    Raises:
        InputError: an unknown protocol or task, or a fold that the protocol does not have.
    """
    corpus = raw.get("corpus")
    if not isinstance(corpus, dict) or not isinstance(corpus.get("name"), str):
        raise InputError(f"conf {conf}: corpus.name is missing")
    chosen = _protocol(raw, conf, protocol)
    name = chosen["name"]
    if siblings := raw_siblings(raw):
        count = count_folds(name, siblings)
    else:
        count = (chosen.get("random") or {}).get("num_folds") or len(chosen.get("folds") or [])
    numbers = list(range(1, count + 1)) if folds == "all" else sorted({int(fold) for fold in folds.split(",")})
    beyond = [fold for fold in numbers if fold > count]
    if beyond or not numbers:
        raise InputError(f"--folds {folds}: protocol {name} has folds 1 to {count}")
    chosen = parse_names(tasks)
    suffix = "" if chosen == default_names() else "_" + "+".join(chosen)
    return {
        "corpus": corpus["name"],
        "protocol": name,
        "folds": ",".join(map(str, numbers)),
        "seeds": ",".join(map(str, sorted({int(seed) for seed in seeds.split(",")}))),
        "tasks": ",".join(chosen),
        "exp_name": exp_name or f"{conf.stem}_{name}{suffix}",
    }


def remembered_options(corpus_json: Path) -> dict[str, str]:
    """The reader's options with which stage 0 last ran; they hold until they are given anew."""
    return read_json(corpus_json).get("options", {}) if corpus_json.exists() else {}


def _protocol(raw: dict[str, Any], conf: Path, name: str) -> dict[str, Any]:
    protocols = raw.get("protocols")
    if not isinstance(protocols, list) or not all(isinstance(p, dict) and "name" in p for p in protocols or [None]):
        raise InputError(f"conf {conf}: protocols is not a list of protocols, each with a name")
    for protocol in protocols:
        if name in ("", protocol["name"]):
            return protocol
    raise InputError(f"--protocol {name}: {conf} has {', '.join(p['name'] for p in protocols)}")


def units(folds: str, seeds: str) -> list[Unit]:
    """Every pair of fold and seed."""
    return [(int(fold), int(seed)) for fold in folds.split(",") for seed in seeds.split(",")]


def group_units(stale: list[Unit]) -> list[tuple[str, str]]:
    """Units as few products of folds and seeds, which is what the stage scripts take: [("1,2", "0"), ...]."""
    folds_of: dict[int, list[int]] = {}
    for fold, seed in stale:
        folds_of.setdefault(seed, []).append(fold)
    seeds_of: dict[str, list[int]] = {}
    for seed, folds in sorted(folds_of.items()):
        seeds_of.setdefault(",".join(map(str, sorted(folds))), []).append(seed)
    return [(folds, ",".join(map(str, seeds))) for folds, seeds in seeds_of.items()]

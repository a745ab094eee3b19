"""Which stages of a recipe are up to date, and why the others are not.

When a stage finishes, a stamp keeps what it was made from, readable: the conf keys that it reads, sizes and
times of its inputs, options, its own version. The next run compares and says what differs. This module costs
milliseconds: it imports the standard library and, to read a conf, PyYAML.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from seq.conf import (
    AugmentConf,
    Conf,
    CorpusConf,
    CtcConf,
    DecodeConf,
    FeaturesConf,
    LangConf,
    ModelConf,
    ProtocolConf,
    TrainConf,
)
from seq.errors import InputError
from seq.utils.files import read_json, write_json

SECTIONS = {
    "corpus": CorpusConf,
    "features": FeaturesConf,
    "lang": LangConf,
    "augment": AugmentConf,
    "model": ModelConf,
    "ctc": CtcConf,
    "train": TrainConf,
    "decode": DecodeConf,
}
# What of a protocol decides who is where; its description does not.
SPLIT = tuple(f"protocol.{f.name}" for f in fields(ProtocolConf) if f.name != "description")
TRAINING = ("model", "augment", "ctc", "train", "features", "lang", "unified", *SPLIT)


@dataclass(frozen=True)
class Stage:
    """One stage; raise `version` when its code changes what it writes from the same inputs."""

    number: int
    name: str
    about: str
    # Conf keys that it reads: sections or dotted keys; "protocol" is the chosen one.
    reads: tuple[str, ...]
    version: int = 1


STAGES = (
    Stage(
        0, "corpus", "find, download or make the corpus; open every audio file", ("corpus", "features.trim", "unified")
    ),
    Stage(1, "manifests", "write the Lhotse manifest; check the counts", ("corpus", "features.trim", "unified")),
    Stage(2, "fbank", "compute filter banks", ("features", "unified")),
    Stage(3, "folds", "write and check train, valid and test of every fold", ("corpus.name", "unified", *SPLIT)),
    Stage(4, "lang", "phone set, lexicon and transcripts", ("lang",)),
    Stage(5, "train", "train one network per fold and seed", TRAINING),
    Stage(6, "decode", "predict valid and test with the chosen checkpoints", (*TRAINING, "decode"), version=2),
    Stage(7, "score", "score the predictions of all folds and seeds", ("corpus", "protocol", "unified")),
    Stage(8, "report", "write tables and figures", (), version=2),
)


def conf_values(raw: dict[str, Any], protocol: str) -> dict[str, Any]:
    """A conf as flat `section.key` values, defaults filled in; the protocol called `protocol` as `protocol.*`.

    Raises:
        InputError: a section or key is unknown, or there is no such protocol. Types are not checked here.
    """
    known = {f.name for f in fields(Conf)}
    _refuse_unknown("", raw, known)
    chosen = [p for p in raw.get("protocols") or [] if isinstance(p, dict) and p.get("name") == protocol]
    if not chosen:
        raise InputError(f"the conf has no protocol {protocol!r}: name one of its protocols")
    values: dict[str, Any] = {}
    for name, cls in {**SECTIONS, "protocol": ProtocolConf}.items():
        section = chosen[0] if name == "protocol" else raw.get(name) or {}
        if not isinstance(section, dict):
            raise InputError(f"conf section {name} is not a mapping of keys and values")
        _refuse_unknown(f"{name}.", section, {f.name for f in fields(cls)})
        for field in fields(cls):
            if field.name in section:
                values[f"{name}.{field.name}"] = section[field.name]
            elif field.default is not MISSING:
                values[f"{name}.{field.name}"] = field.default
            elif field.default_factory is not MISSING:
                values[f"{name}.{field.name}"] = field.default_factory()
    # A section that SECTIONS does not know yet counts whole.
    values.update({name: raw[name] for name in raw if name not in SECTIONS and name != "protocols"})
    return values


def _refuse_unknown(prefix: str, given: dict[str, Any], known: set[str]) -> None:
    for key in given:
        if key not in known:
            raise InputError(f"unknown conf key {prefix}{key}: choose from {', '.join(sorted(known))}")


def file_state(path: Path) -> dict[str, Any]:
    """Size (bytes) and modification time (ns) of a file; for a folder, those of all files in it, digested.

    Raises:
        InputError: there is nothing at `path`.
    """
    try:
        if not path.is_dir():
            stat = path.stat()
            return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    except OSError as error:
        raise InputError(f"{path} does not exist: run the stage that writes it first") from error
    rows = sorted(_walk(str(path), ""))
    digest = hashlib.sha256("\n".join(f"{name}\t{size}\t{time}" for name, size, time in rows).encode()).hexdigest()
    return {"files": len(rows), "bytes": sum(size for _, size, _ in rows), "digest": digest}


def _walk(folder: str, prefix: str) -> list[tuple[str, int, int]]:
    rows = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                rows += _walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                stat = entry.stat()
                rows.append((prefix + entry.name, stat.st_size, stat.st_mtime_ns))
    return rows


def fingerprint(stage: Stage, values: dict[str, Any], inputs: list[Path], options: dict[str, str]) -> dict[str, Any]:
    """What `stage` would be made from if it ran now, as plain JSON types.

    Args:
        stage: the stage.
        values: `conf_values` of the conf.
        inputs: files and folders that it reads.
        options: options of the runner that change what it writes, by name without dashes.
    """
    read = {k: v for k, v in values.items() if any(k == r or k.startswith(f"{r}.") for r in stage.reads)}
    found = {
        "version": stage.version,
        "conf": read,
        "option": options,
        "input": {str(path): file_state(path) for path in inputs},
    }
    return json.loads(json.dumps(found, default=str))


def difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """The first difference between two fingerprints, in words; None where they are equal."""
    if old.get("version") != new["version"]:
        return f"its code changed (version {old.get('version')} -> {new['version']})"
    for kind in ("conf", "option", "input"):
        before, after = old.get(kind, {}), new[kind]
        for name in sorted({*before, *after}):
            # An option left empty means "as before".
            if before.get(name) != after.get(name) and not (kind == "option" and after.get(name) == ""):
                return f"{kind} {name} changed{_how(before.get(name), after.get(name))}"
    return None


def _how(before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in ("files", "bytes"):
            if before.get(key) != after.get(key):
                return f" ({before.get(key)} -> {after.get(key)} {key})"
        return " (newer)"
    text = f" ({_brief(before)} -> {_brief(after)})"
    return text if len(text) <= 100 else ""


def _brief(value: Any) -> str:
    return "not given" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def check(stamp: Path, new: dict[str, Any], outputs: list[Path], tree_of: Path | None = None) -> str | None:
    """Why a stage has to run, or None where it is up to date.

    Args:
        stamp: where the stage's stamp is, or would be.
        new: its `fingerprint` now.
        outputs: what it writes.
        tree_of: a JSON file among the outputs whose "root" names a folder that belongs to them (the corpus).
    """
    missing = [path for path in outputs if not path.exists()]
    if not stamp.exists():
        return "not finished yet" if len(missing) < len(outputs) else "not done yet"
    old = read_json(stamp)
    if missing:
        return f"output {missing[0]} is missing"
    reason = difference(old["made_from"], new)
    if reason or tree_of is None:
        return reason
    root = Path(read_json(tree_of)["root"])
    if not root.is_dir():
        return f"corpus {root} is missing"
    before, after = old.get("tree"), file_state(root)
    return None if before == after else f"corpus {root} changed{_how(before, after)}"


def begin(stamp: Path, new: dict[str, Any], outputs: list[Path], tree_of: Path | None = None) -> None:
    """Note what a stage is about to be made from; until `record`, it counts as not done.

    The fingerprint is of before the run: an input that changes while the stage runs makes it run again.
    """
    if stamp.exists():
        before = read_json(stamp)["made_from"]["option"]
        new = {**new, "option": {name: value or before.get(name, "") for name, value in new["option"].items()}}
        stamp.unlink()
    paths = [str(path) for path in outputs]
    write_json(_pending(stamp), {"made_from": new, "outputs": paths, "tree_of": str(tree_of) if tree_of else None})


def record(stamp: Path) -> None:
    """Mark the stage that `begin` announced as finished.

    Raises:
        InputError: one of its outputs is not there.
    """
    pending = read_json(_pending(stamp))
    for path in pending["outputs"]:
        if not Path(path).exists():
            raise InputError(f"the stage ended without an error and without writing {path}: please report this")
    finished = {"made_from": pending["made_from"]}
    if pending["tree_of"]:
        finished["tree"] = file_state(Path(read_json(pending["tree_of"])["root"]))
    write_json(stamp, finished)
    _pending(stamp).unlink()


def _pending(stamp: Path) -> Path:
    return stamp.with_name(f"{stamp.name}.running")

"""Whether a stage is up to date, and why not.

When a stage finishes, a stamp keeps what it was made from, readable: the conf keys that it reads, sizes and
times of its inputs, options, its own version. The next run compares and says what differs. This module costs
milliseconds: it imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypedDict, get_type_hints

from seq.conf import Conf, ProtocolConf
from seq.corpora.record import read_corpus_json
from seq.errors import InputError
from seq.utils.files import leads_upwards, read_json, write_json
from seq.utils.typed_values import read_typed


@dataclass(frozen=True)
class Work:
    """What one stage (of one fold and seed, where it is trained or decoded) reads, writes and is told."""

    stamp: Path
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    # Arguments of the stage's script, beside those that every stage gets.
    arguments: Sequence[str | Path] = ()
    # Options of the runner that change what it writes, by name without dashes.
    options: dict[str, str] = field(default_factory=dict)
    # A JSON file among the outputs whose "root" names a folder that belongs to them (the corpus).
    tree_of: Path | None = None


class Fingerprint(TypedDict):
    """What a stage was, or would be, made from."""

    version: int
    # By dotted key.
    conf: dict[str, Any]
    # By name without dashes.
    option: dict[str, str]
    # By path, its `file_state`.
    input: dict[str, Any]


class _Tree(TypedDict, total=False):
    tree: dict[str, Any]


class Stamp(_Tree):
    """The file that says that a stage is finished; `tree` is the state of the corpus's folder."""

    made_from: Fingerprint


def conf_values(raw: dict[str, Any], protocol: str) -> dict[str, Any]:
    """A conf that was checked (`seq.conf`) as flat `section.key` values, as they are written, defaults filled in.

    The protocol called `protocol`, which there must be, is `protocol.*`.
    """
    chosen = next(found for found in raw["protocols"] if found["name"] == protocol)
    hints = get_type_hints(Conf)
    sections = {f.name: hints[f.name] for f in fields(Conf) if is_dataclass(hints[f.name])}
    values: dict[str, Any] = {}
    for name, cls in {**sections, "protocol": ProtocolConf}.items():
        values |= _section_values(name, chosen if name == "protocol" else raw.get(name, {}), cls)
    return values


def _section_values(name: str, section: dict[str, Any], cls: Any) -> dict[str, Any]:
    """The values of a section, and of those in it, by dotted key."""
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for key in fields(cls):
        dotted = f"{name}.{key.name}"
        if is_dataclass(hints[key.name]):
            values |= _section_values(dotted, section.get(key.name, {}), hints[key.name])
        elif key.name in section:
            values[dotted] = section[key.name]
        elif key.default is not MISSING:
            values[dotted] = key.default
        elif key.default_factory is not MISSING:
            values[dotted] = key.default_factory()
    return values


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
    # The names of other files in the corpus may be in any encoding.
    digest = hashlib.sha256(
        "\n".join(f"{name}\t{size}\t{time}" for name, size, time in rows).encode("utf-8", "surrogateescape")
    )
    return {"files": len(rows), "bytes": sum(size for _, size, _ in rows), "digest": digest.hexdigest()}


def _walk(folder: str, prefix: str) -> list[tuple[str, int, int]]:
    rows = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if leads_upwards(entry):
                continue
            if entry.is_dir():
                rows += _walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                stat = entry.stat()
                rows.append((prefix + entry.name, stat.st_size, stat.st_mtime_ns))
    return rows


def fingerprint(version: int, conf: dict[str, Any], work: Work) -> Fingerprint:
    """What a stage would be made from if it ran now, as plain JSON types.

    Args:
        version: of the stage's code.
        conf: the values of the conf that it reads, by dotted key.
        work: its inputs and options.

    Raises:
        InputError: an input is missing.
    """
    found = {
        "version": version,
        "conf": conf,
        "option": work.options,
        "input": {str(path): file_state(path) for path in work.inputs},
    }
    return json.loads(json.dumps(found, default=str))


def difference(old: Fingerprint, new: Fingerprint) -> str | None:
    """The first difference between two fingerprints, in words; None where they are equal."""
    if old["version"] != new["version"]:
        return f"its code changed (version {old['version']} -> {new['version']})"
    kinds: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "conf": (old["conf"], new["conf"]),
        "option": (dict(old["option"]), dict(new["option"])),
        "input": (old["input"], new["input"]),
    }
    for kind, (before, after) in kinds.items():
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


def check(work: Work, new: Fingerprint) -> str | None:
    """Why a stage has to run, or None where it is up to date; `new` is its `fingerprint` now."""
    missing = [path for path in work.outputs if not path.exists()]
    if not work.stamp.exists():
        return "not finished yet" if len(missing) < len(work.outputs) else "not done yet"
    if missing:
        return f"output {missing[0]} is missing"
    try:
        old = _read(work.stamp)
    except InputError:
        return f"its stamp {work.stamp} is damaged"
    reason = difference(old["made_from"], new)
    if reason or work.tree_of is None:
        return reason
    root = Path(read_corpus_json(work.tree_of)["root"])
    if not root.is_dir():
        return f"corpus {root} is missing"
    before, after = old.get("tree"), file_state(root)
    return None if before == after else f"corpus {root} changed{_how(before, after)}"


def begin(work: Work, new: Fingerprint) -> None:
    """Note what a stage is about to be made from; until `record`, it counts as not done.

    The fingerprint is of before the run: an input that changes while the stage runs makes it run again.
    """
    if work.stamp.exists():
        with contextlib.suppress(InputError):
            before = _read(work.stamp)["made_from"]["option"]
            new = {**new, "option": {name: value or before.get(name, "") for name, value in new["option"].items()}}
        work.stamp.unlink()
    write_json(_pending(work.stamp), {"made_from": new})


def record(work: Work) -> None:
    """Mark the stage that `begin` announced as finished.

    Raises:
        InputError: one of its outputs is not there.
    """
    finished = _read(_pending(work.stamp))
    for path in work.outputs:
        if not path.exists():
            raise InputError(f"the stage ended without an error and without writing {path}: please report this")
    if work.tree_of is not None:
        finished["tree"] = file_state(Path(read_corpus_json(work.tree_of)["root"]))
    write_json(work.stamp, finished)
    _pending(work.stamp).unlink()


def stamped_version(stamp: Path) -> int | None:
    """The version of the code that a finished stage ran with; None where there is no stamp."""
    return _read(stamp)["made_from"]["version"] if stamp.exists() else None


def _read(stamp: Path) -> Stamp:
    """Raises InputError where a stamp is damaged: nobody knows what the stage was made from."""
    return read_typed(read_json(stamp), Stamp, f"{stamp} is damaged, run its stage again")


def _pending(stamp: Path) -> Path:
    return stamp.with_name(f"{stamp.name}.running")

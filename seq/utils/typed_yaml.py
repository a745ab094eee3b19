"""YAML that becomes dataclasses: read, laid one over the other, changed by `section.key=value`, checked by type.

Reading costs milliseconds; only `instantiate` imports jsonargparse, which takes 0.2 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from seq.errors import InputError

T = TypeVar("T")
# A file as YAML gives it: neither keys nor types are checked yet.
Raw = dict[str, Any]


def read_yaml(path: Path) -> Raw:
    """A YAML file of sections, without those that are empty. Raises InputError where it is missing, or no mapping."""
    import yaml

    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise InputError(f"conf {path} cannot be read ({error.strerror}): pass an existing file with --conf") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"conf {path} is not valid YAML ({error})") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise InputError(f"conf {path} is not a mapping of sections, such as `train:` with keys below it")
    return {section: value for section, value in raw.items() if value is not None}


def lay_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> Raw:
    """`base` with the values of `top` in their places; mappings are laid over each other key by key, lists replaced."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = lay_over(below, value) if both else value  # type: ignore[arg-type]  # both are checked
    return merged


def apply_override(raw: Raw, override: str) -> None:
    """Set `section.key=value`, in place. Raises InputError if the override is not of that form."""
    import yaml

    key, separator, value = override.partition("=")
    if not separator or not key:
        raise InputError(f"--set {override}: write it as section.key=value, for example train.num_epochs=10")
    *sections, last = key.split(".")
    target = raw
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise InputError(f"--set {override}: {section} is not a section of the conf")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override}: the value is not valid YAML") from error


def instantiate(cls: type[T], raw: Raw, complaint: str) -> T:
    """The dataclass `cls` from plain types.

    Raises:
        InputError: a key is unknown or missing, or a value has the wrong type; it begins with `complaint`.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, None)
    try:
        return cls(**vars(parser.instantiate(parser.parse_object(raw))))
    except (ArgumentError, TypeError, ValueError, KeyError) as error:
        raise InputError(f"{complaint}: {error}") from error


def flatten(values: Mapping[str, Any], prefix: str = "") -> Raw:
    """Mappings in mappings as one, with dotted keys: {"train.num_epochs": 40}; lists stay whole."""
    flat: Raw = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def select(flat: Mapping[str, Any], wanted: Iterable[str], unwanted: Iterable[str] = ()) -> Raw:
    """Of dotted keys, those that are or lie below one of `wanted`, less those of `unwanted`."""

    def below(key: str, roots: Iterable[str]) -> bool:
        return any(key == root or key.startswith(f"{root}.") for root in roots)

    return {key: value for key, value in flat.items() if below(key, wanted) and not below(key, unwanted)}

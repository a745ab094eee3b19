"""YAML: read, laid one over the other, changed by `section.key=value`. `seq.utils.typed_values` checks what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from seq.errors import InputError
from seq.utils.files import read_whole

# Lists and mappings in each other: more than any conf has, and less than the parser's stack holds.
MAX_DEPTH: Final = 30
# A file as YAML gives it: neither keys nor types are checked yet.
Raw = dict[str, Any]


def read_yaml(path: Path) -> Raw:
    """A YAML file of sections, without those that are empty. Raises InputError where it is missing, or no mapping."""
    try:
        text = read_whole(path)
    except OSError as error:
        raise InputError(f"conf {path} cannot be read ({error.strerror}): pass an existing file with --conf") from error
    except UnicodeDecodeError as error:
        raise InputError(f"conf {path} is not valid YAML ({error})") from error
    raw = _parse(text, f"conf {path}")
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise InputError(f"conf {path} is not a mapping of sections, such as `train:` with keys below it")
    return {section: value for section, value in raw.items() if value is not None}


def _parse(text: str, what: str) -> Any:
    """What YAML says. Raises InputError, beginning with `what`, where it is none, or names itself or a key twice."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                # YAML's own answer is to take the last without a word.
                (_, name), _ = Counter(keys).most_common(1)[0]
                raise InputError(f"{what} has the key {name} twice in one place: keep one of them")
            return super().construct_mapping(node, deep=deep)

    # Of every list and mapping that is open: whether it has an anchor, for which references may stand elsewhere.
    anchored: list[bool] = []
    try:
        # Events are as many as the text has words; values are not, where references stand for what holds references.
        for event in yaml.parse(text, Loader=Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                anchored.append(event.anchor is not None)
            elif isinstance(event, yaml.CollectionEndEvent):
                anchored.pop()
            elif isinstance(event, yaml.AliasEvent) and any(anchored):
                raise InputError(
                    f"{what} has the reference *{event.anchor} inside what another one stands for: write it out"
                )
            if len(anchored) > MAX_DEPTH:
                raise InputError(f"{what} nests more than {MAX_DEPTH} lists and mappings: no key takes that")
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:
        # The last three come of values that are not of the type they claim, such as the date 2001-99-99.
        raise InputError(f"{what} is not valid YAML ({' '.join(str(error).split())})") from error


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
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise InputError(f"--set {override}: write it as section.key=value, for example train.num_epochs=10")
    *sections, last = key.split(".")
    target = raw
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise InputError(f"--set {override}: {section} is not a section of the conf")
    target[last] = _parse(value, f"--set {override}: the value")


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

"""What a value must be, numbers with bounds among it: plain types out of a file become what the code takes for granted.

Confs are dataclasses; model.json, run.json and stamps are TypedDicts. All of them are checked here, by the standard
library alone: that is all that the runner has, costs a millisecond, and leaves nothing to a library's goodwill (null
for a list, a number for a section).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from seq.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """Between which ends a number lies."""

    low: float = -math.inf
    high: float = math.inf
    # Whether `low`, or `high`, is one that the number may be.
    with_low: bool = True
    with_high: bool = True
    odd: bool = False

    def hold(self, value: float) -> bool:
        """Whether a number lies between them; none that is infinite or undefined does."""
        above = value >= self.low if self.with_low else value > self.low
        below = value <= self.high if self.with_high else value < self.high
        return math.isfinite(value) and above and below and not (self.odd and value % 2 == 0)

    def __str__(self) -> str:
        """`from 0 to 1`, `above 0`."""
        ends = [f"{'from' if self.with_low else 'above'} {self.low:g}"] if math.isfinite(self.low) else []
        if math.isfinite(self.high):
            ends.append(f"{'to' if self.with_high else 'below'} {self.high:g}")
        return " ".join(ends)


Finite = Annotated[float, Bounds()]
PositiveInt = Annotated[int, Bounds(1)]
NonNegativeInt = Annotated[int, Bounds(0)]
# Of a network: a slip of the finger must not ask for all memory.
Size = Annotated[int, Bounds(1, 16384)]
PositiveFloat = Annotated[float, Bounds(0, with_low=False)]
NonNegativeFloat = Annotated[float, Bounds(0)]
# A probability, a share, a place between two ends.
Share = Annotated[float, Bounds(0, 1)]
# Of something that must not be all: dropout, or how far a factor may be from 1 without reaching 0.
Part = Annotated[float, Bounds(0, 1, with_high=False)]

# A number for everybody but YAML 1.1, which wants a dot and a sign: 1e-3.
_EXPONENT: Final = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_WORDS: Final = {int: "a whole number", float: "a number", str: "text (quote a number)", bool: "true or false",
                 NoneType: "null", list: "a list", tuple: "a list", dict: "a mapping of keys and values"}  # fmt: skip


class _Wrong(Exception):
    """A value that is not what it must be; the message is a sentence that names its key."""


def read_typed(value: Any, hint: type[T], complaint: str) -> T:
    """A value of plain types as one of the type `hint`.

    A dataclass is made, with its defaults, and has no other keys; a TypedDict may have more keys than its type. A whole
    number is a number, and true is none; only a float without bounds may be undefined (NaN), as a metric of nothing is.

    Args:
        hint: a dataclass or a TypedDict, whose keys are int, float, str, bool, None, Any, lists, tuples of any length,
            dicts, Literals, unions, such numbers with `Bounds`, or again such classes.

    Raises:
        InputError: naming, after `complaint`, the first key that is unknown, missing, or has another value.
    """
    try:
        return _convert(value, hint, "")
    except _Wrong as wrong:
        raise InputError(f"{complaint}: {wrong}") from None


def _convert(value: Any, hint: Any, name: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if is_dataclass(hint) or is_typeddict(hint):
        return _convert_keys(value, hint, name)
    if origin is Annotated:
        try:
            found = _convert(value, inner[0], name)
        except _Wrong:
            raise _wrong(value, hint, name) from None
        if not inner[1].hold(found):
            raise _wrong(value, hint, name)
        return found
    if origin in (Union, UnionType):
        return _convert_union(value, hint, name)
    if origin is list and isinstance(value, list):
        return [_convert(item, inner[0], f"{name}[{i}]") for i, item in enumerate(value)]
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_convert(item, inner[0], f"{name}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        its_key = f"a key of {name}"
        return {_convert(k, inner[0], its_key): _convert(v, inner[1], _below(name, k)) for k, v in value.items()}
    if origin is Literal and any(type(value) is type(choice) and value == choice for choice in inner):
        return value
    if hint in (int, float):
        return _convert_number(value, hint, name)
    if isinstance(hint, type) and isinstance(value, hint):
        return value
    raise _wrong(value, hint, name)


def _convert_number(value: Any, hint: type[int] | type[float], name: str) -> float:
    number = float(value) if hint is float and isinstance(value, str) and _EXPONENT.fullmatch(value) else value
    # Larger whole ones fit into no array.
    is_too_large = isinstance(number, int) and abs(number) >= 2**63
    if isinstance(number, (int, hint)) and not isinstance(number, bool) and not is_too_large:
        return hint(number)
    raise _wrong(value, hint, name)


def _convert_union(value: Any, hint: Any, name: str) -> Any:
    others = [member for member in get_args(hint) if member is not NoneType]
    if value is None and len(others) < len(get_args(hint)):
        return None
    if len(others) == 1:
        return _convert(value, others[0], name)
    for member in others:
        try:
            return _convert(value, member, name)
        except _Wrong:
            continue
    raise _wrong(value, hint, name)


def _convert_keys(value: Any, cls: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(value, dict, name)
    hints, needed = _keys(cls)
    is_class = isinstance(cls, type) and is_dataclass(cls)
    if is_class and (unknown := next((key for key in value if key not in hints), None)) is not None:
        raise _Wrong(f"unknown key {_below(name, unknown)}: choose from {', '.join(sorted(hints))}")
    found = {key: _convert(value[key], hint, _below(name, key)) for key, hint in hints.items() if key in value}
    if missing := sorted(needed - found.keys()):
        raise _Wrong(f"{_below(name, missing[0])} is missing")
    return cls(**found) if is_class else {**value, **found}


@cache
def _keys(cls: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The types of a class's keys, and those keys that it must have."""
    hints = get_type_hints(cls, include_extras=True)
    if is_typeddict(cls):
        return hints, cls.__required_keys__
    optional = {f.name for f in fields(cls) if f.default is not MISSING or f.default_factory is not MISSING}
    return hints, frozenset(hints.keys() - optional)


def _below(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _wrong(value: Any, hint: Any, name: str) -> _Wrong:
    # As YAML and JSON write it.
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else repr(value)
    return _Wrong(f"{name or 'it'} is {text if len(text) <= 60 else f'{text[:60]}...'}: it must be {_words(hint)}")


def _words(hint: Any) -> str:
    """`a whole number from 1`."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{'an odd whole number' if inner[1].odd else _words(inner[0])} {inner[1]}".rstrip()
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (Union, UnionType):
        return " or ".join(_words(member) for member in inner)
    return _WORDS.get(origin or hint, _WORDS[dict])

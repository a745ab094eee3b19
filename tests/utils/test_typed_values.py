"""Values of the type that they must be: of a TypedDict here, of the conf's dataclasses in tests/test_conf.py."""

from __future__ import annotations

import math
from typing import Any, Literal, TypedDict

import pytest

from seq.errors import InputError
from seq.utils.typed_values import Finite, PositiveInt, Share, read_typed


class Inner(TypedDict):
    """A mapping in a mapping."""

    share: Share


class _Optional(TypedDict, total=False):
    note: str | None


class Record(_Optional):
    """Every kind of type."""

    count: PositiveInt
    scale: Finite
    metric: float
    names: list[str]
    inner: dict[str, Inner | None]
    choice: Literal["a", 2]
    pair: int | str
    flag: bool
    rest: Any


GOOD = {"count": 1, "scale": 2, "metric": -1, "names": ["x"], "inner": {"k": {"share": 1}, "n": None}, "choice": 2,
        "pair": "p", "flag": True, "rest": [None], "more": "kept"}  # fmt: skip


def test_what_fits_is_kept_with_numbers_as_the_type_has_them() -> None:
    found: Any = read_typed({**GOOD, "note": None, "scale": "1e-3"}, Record, "it")
    assert found == {**GOOD, "note": None, "scale": 0.001} and isinstance(found["inner"]["k"]["share"], float)
    assert isinstance(read_typed(GOOD, Record, "it")["scale"], float)
    # Of no utterances.
    assert math.isnan(read_typed({**GOOD, "metric": float("nan")}, Record, "it")["metric"])


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("count", 0, "count is 0: it must be a whole number from 1"),
        ("count", True, "count is true: it must be a whole number from 1"),
        ("count", 1.0, "count is 1.0: it must be a whole number from 1"),
        ("count", None, "count is null: it must be a whole number from 1"),
        ("count", 10**40, "count is 1000"),
        ("scale", float("nan"), "scale is nan: it must be a number"),
        ("scale", float("-inf"), "scale is -inf: it must be a number"),
        ("scale", "0.5", "scale is '0.5': it must be a number"),
        ("scale", 10**400, "scale is 1000"),
        ("metric", "nan", "metric is 'nan': it must be a number"),
        ("names", None, "names is null: it must be a list"),
        ("names", "xy", "names is 'xy': it must be a list"),
        ("names", ["x", 1], "names[1] is 1: it must be text (quote a number)"),
        ("inner", {"k": {"share": 1.5}}, "inner.k.share is 1.5: it must be a number from 0 to 1"),
        ("inner", {"k": {}}, "inner.k.share is missing"),
        ("inner", {"k": []}, "inner.k is []: it must be a mapping of keys and values"),
        ("inner", {1: None}, "a key of inner is 1: it must be text"),
        ("choice", True, "choice is true: it must be one of a, 2"),
        ("choice", ["a"], "choice is ['a']: it must be one of a, 2"),
        ("pair", None, "pair is null: it must be a whole number or text"),
        ("flag", 1, "flag is 1: it must be true or false"),
        ("note", "x" * 100, None),
    ],
)
def test_what_does_not_is_named(key: str, value: object, said: str | None) -> None:
    if said is None:
        assert read_typed({**GOOD, key: value}, Record, "it")[key] == value  # type: ignore[literal-required]
        return
    with pytest.raises(InputError) as error:
        read_typed({**GOOD, key: value}, Record, "model.json is damaged")
    assert str(error.value).startswith(f"model.json is damaged: {said}") and len(str(error.value)) < 160


@pytest.mark.parametrize("value", [None, 5, [], "text"])
def test_the_whole_is_a_mapping(value: object) -> None:
    with pytest.raises(InputError, match=r"^it: it is .*: it must be a mapping of keys and values$"):
        read_typed(value, Record, "it")

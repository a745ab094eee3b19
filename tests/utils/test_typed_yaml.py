"""YAML over YAML, and dotted keys."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seq.errors import InputError
from seq.utils.files import read_json
from seq.utils.typed_yaml import MAX_DEPTH, apply_override, flatten, lay_over, read_yaml, select

# Nine times nine times nine: values without end from a file of twenty lines.
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20))


def test_mappings_are_laid_over_each_other_and_all_else_is_replaced() -> None:
    base = {"train": {"epochs": 3, "scales": {"a": 1, "b": 2}}, "names": [1, 2], "kept": {"x": 0}}
    top = {"train": {"scales": {"b": 5}, "rate": 0.1}, "names": [3], "new": None}
    assert lay_over(base, top) == {
        "train": {"epochs": 3, "scales": {"a": 1, "b": 5}, "rate": 0.1}, "names": [3], "kept": {"x": 0}, "new": None,
    }  # fmt: skip
    assert base["train"] == {"epochs": 3, "scales": {"a": 1, "b": 2}}


def test_keys_are_selected_with_all_that_is_below_them() -> None:
    flat = flatten({"train": {"epochs": 3, "scales": {"a": 1}}, "training": 1, "name": "n", "rows": [{"k": 1}]})
    assert flat == {"train.epochs": 3, "train.scales.a": 1, "training": 1, "name": "n", "rows": [{"k": 1}]}
    assert select(flat, ["train", "name"]) == {"train.epochs": 3, "train.scales.a": 1, "name": "n"}
    assert select(flat, ["train"], ["train.scales"]) == {"train.epochs": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, r"has the reference \*a0 inside what another one stands for: write it out"),
        ("train: &a [1, *a]", r"has the reference \*a inside"),
        ("train: &a {key: {deeper: *a}}", r"has the reference \*a inside"),
        ("train: " + "[" * 100_000, f"nests more than {MAX_DEPTH} lists and mappings"),
        ("- " * 100_000, f"nests more than {MAX_DEPTH} lists and mappings"),
        ("train: *a", "is not valid YAML"),
        ("train: 2001-99-99", "is not valid YAML"),
        ("train: !!bool maybe", "is not valid YAML"),
        ("train: !!timestamp never", "is not valid YAML"),
        ("train: !!python/object/apply:os.getcwd []", "is not valid YAML"),
        (f"train: {'1' * 5000}", "is not valid YAML"),
        ("train: \0", "is not valid YAML"),
        ("train: {num_epochs: 3, other: 1, num_epochs: 4}", "has the key num_epochs twice in one place"),
    ],
)
def test_yaml_that_explodes_or_lies_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "conf.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"conf\.yaml {said}") as error:
        read_yaml(tmp_path / "conf.yaml")
    assert "\n" not in str(error.value)
    if text.startswith("train: "):
        with pytest.raises(InputError, match=rf"^--set train=.*: the value {said}"):
            apply_override({}, text.replace(": ", "=", 1))


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_what_has_no_end_is_not_read(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match=rf"{path} cannot be read \(it is a pipe or a device\)"):
            read(path)


def test_a_reference_to_plain_values_stands_for_them(tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").write_text("one: &names [a, b]\ntwo: {names: *names}\n")
    assert read_yaml(tmp_path / "conf.yaml") == {"one": ["a", "b"], "two": {"names": ["a", "b"]}}

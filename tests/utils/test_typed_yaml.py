"""YAML over YAML, and dotted keys."""

from __future__ import annotations

from seq.utils.typed_yaml import flatten, lay_over, select


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

"""Names to values, beside a dictionary of Python's."""

from __future__ import annotations

import random
from typing import Any

from seq.utils.disk_map import DiskMap


def test_it_is_a_dictionary_whose_first_values_stay() -> None:
    rng, found, expected = random.Random(0), DiskMap(), dict[str, Any]()
    names = ["", "a", "A", "日本", "a\udcff", "x" * 5000, "1", "01", *(f"id-{i}" for i in range(500))]
    for number, name in enumerate(rng.choices(names, k=2000)):
        value = None if number % 7 == 0 else {"path": name, "number": number}
        assert found.add(name, value) == (name not in expected)
        expected.setdefault(name, value)
    assert len(found) == len(expected) < len(names) + 1
    assert all(found.get(name) == expected.get(name) for name in [*names, "absent"])

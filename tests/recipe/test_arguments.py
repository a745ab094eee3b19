"""Numbers on the command lines of the stages' scripts."""

from __future__ import annotations

import pytest

from seq.errors import InputError
from seq.recipe.arguments import MAX_NUMBER, parse_numbers


def test_numbers() -> None:
    assert parse_numbers(f"2,0,2,{MAX_NUMBER}", "--seeds") == [0, 2, MAX_NUMBER]


@pytest.mark.parametrize("text", ["", "1,,2", "x", "1e3", "-1", "1.5", "9" * 30, "9" * 5000, str(MAX_NUMBER + 1)])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InputError, match=f"^--seeds {text}: "):
        parse_numbers(text, "--seeds")

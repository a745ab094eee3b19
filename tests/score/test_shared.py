"""What valid and test share with train, in numbers and in words."""

from __future__ import annotations

from seq.score.shared import describe_shared, overlap, share


def test_distinct_names_count() -> None:
    assert overlap(["a", "a", "b", "c"], ["a", "c", "d"]) == (2, 3)
    assert (share(2, 3), share(0, 3), share(0, 0)) == (2 / 3, 0.0, None)


def test_it_is_said_of_speakers_and_sentences_apart() -> None:
    assert describe_shared("test", 0.0, 1.0) == ("test shares with train none of its speakers and all of its sentences")
    assert describe_shared("valid", 0.25, None) == (
        "valid shares with train 25.00 % of its speakers and an unknown number of its sentences"
    )

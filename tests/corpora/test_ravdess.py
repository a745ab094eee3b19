"""RAVDESS: every code of a file name becomes the right label; songs and videos stay out; counts of the real corpus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from corpus_builders import build_ravdess, real_ravdess

from seq.corpora.base import Utterance, get_reader
from seq.errors import InputError


def test_reader_decodes_names_and_skips_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_ravdess(tmp_path / "unpacked", actors=(12, 1))
    actor = tmp_path / "unpacked" / "Actor_12"
    for name in ("03-02-05-01-01-01-12.wav", "01-01-05-01-01-01-12.mp4", "03-01-05-01-01-01-12 (1).wav", "._03.wav"):
        (actor / name).write_bytes(b"")
    reader = get_reader("ravdess")
    root = reader.find_root(tmp_path)
    assert root == tmp_path / "unpacked"
    utterances = list(reader.read(root, {}))
    assert len(utterances) == 12
    assert next(u for u in utterances if u.id == "03-01-05-02-02-01-12") == Utterance(
        id="03-01-05-02-02-01-12",
        audio=actor / "03-01-05-02-02-01-12.wav",
        speaker="12",
        gender="F",
        language="en",
        text="Dogs are sitting by the door",
        sentence="02",
        raw={"emotion": "05", "intensity": "02"},
    )
    assert {u.gender for u in utterances if u.speaker == "01"} == {"M"}
    assert "skipped 3 files" in capsys.readouterr().err


def test_wrong_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Actor_01"):
        get_reader("ravdess").find_root(tmp_path)


def test_unknown_reader_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="ravdess"):
        get_reader("radvess")


@pytest.mark.skipif(real_ravdess() is None, reason="no RAVDESS: set SPEECHEQ_RAVDESS to its folder")
def test_counts_of_the_real_corpus() -> None:
    reader = get_reader("ravdess")
    folder = real_ravdess()
    assert folder is not None
    utterances = list(reader.read(reader.find_root(folder), {}))
    assert len(utterances) == len({u.id for u in utterances}) == 1440
    emotions = Counter(u.raw.get("emotion") for u in utterances)
    assert emotions == {"01": 96, **{f"{code:02d}": 192 for code in range(2, 9)}}
    assert Counter(u.speaker for u in utterances) == {f"{actor:02d}": 60 for actor in range(1, 25)}
    assert Counter(u.gender for u in utterances) == {"M": 720, "F": 720}
    # Neutral is never strong.
    assert not [u for u in utterances if u.raw.get("emotion") == "01" and u.raw.get("intensity") == "02"]

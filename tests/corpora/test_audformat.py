"""A database in audformat becomes a table that egs/seqd reads; its splits are our splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seq.corpora.audformat_tables import import_audformat
from seq.corpora.base import get_reader
from seq.errors import InputError

audformat = pytest.importorskip("audformat")
pandas = pytest.importorskip("pandas")


def make_database(root: Path, people_in_table: bool = False) -> Any:
    """As audeering's databases are: a table of all files, and one for each split with the emotions.

    Args:
        people_in_table: what is known of speakers is in a table of theirs, not in the header.
    """
    database = audformat.Database("mini", languages=["deu"])
    database.schemes["emotion"] = audformat.Scheme(labels=["anger", "neutral"])
    people = {"3": {"gender": "male", "language": "deu"}, "8": {"gender": "female", "language": "deu"}}
    if people_in_table:
        speakers = database["people"] = audformat.MiscTable(pandas.Index(list(people), name="speaker"))
        for fact in ("gender", "language"):
            speakers[fact] = audformat.Column()
            speakers[fact].set([about[fact] for about in people.values()])
    database.schemes["speaker"] = audformat.Scheme("str", labels="people" if people_in_table else people)
    database.schemes["transcription"] = audformat.Scheme(labels={"a01": "Der Lappen liegt auf dem Eisschrank"})
    files = [f"wav/{speaker}a01{code}.wav" for speaker in ("03", "08") for code in "NW"]
    database["files"] = audformat.Table(audformat.filewise_index(files))
    for column, values in (("speaker", ["3", "3", "8", "8"]), ("transcription", ["a01", "a01", "a01", None])):
        database["files"][column] = audformat.Column(scheme_id=column)
        database["files"][column].set(values)
    for split, kind, part in (("train", "train", files[:2]), ("dev", "dev", files[2:3]), ("test", "test", files[3:])):
        database.splits[split] = audformat.Split(kind)
        table = database[f"emotion.{split}"] = audformat.Table(audformat.filewise_index(part), split_id=split)
        table["emotion"] = audformat.Column(scheme_id="emotion")
        table["emotion"].set(["neutral" if file.endswith("N.wav") else "anger" for file in part])
    database.save(str(root), storage_format="csv")
    return database


@pytest.mark.parametrize("people_in_table", [False, True])
def test_tables_become_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str], people_in_table: bool) -> None:
    database = make_database(tmp_path, people_in_table)
    import_audformat(tmp_path, "emotion", tmp_path / "metadata.csv")
    output = capsys.readouterr().out
    assert "4 files of 2 speakers" in output and "no categories of ours, to be mapped" in output
    assert output.rstrip().endswith(": anger")
    found = [
        (u.id, u.audio, u.speaker, u.gender, u.language, u.text, u.raw["emotion"], u.split)
        for u in get_reader("seqd").read(tmp_path, {})
    ]
    text = "Der Lappen liegt auf dem Eisschrank"
    assert found == [
        ("wav_03a01N", tmp_path / "wav/03a01N.wav", "3", "M", "de", text, "neutral", "train"),
        ("wav_03a01W", tmp_path / "wav/03a01W.wav", "3", "M", "de", text, "anger", "train"),
        ("wav_08a01N", tmp_path / "wav/08a01N.wav", "8", "F", "de", text, "neutral", "valid"),
        ("wav_08a01W", tmp_path / "wav/08a01W.wav", "8", "F", "de", None, "anger", "test"),
    ]
    with pytest.raises(
        InputError, match="no table has the column mood: choose with --column from emotion, speaker, tra"
    ):
        import_audformat(tmp_path, "mood", tmp_path / "x.csv")
    # Another table that says otherwise.
    table = database["again"] = audformat.Table(audformat.filewise_index(["wav/08a01W.wav"]), split_id="train")
    table["emotion"] = audformat.Column(scheme_id="emotion")
    table["emotion"].set(["anger"])
    database.save(str(tmp_path), storage_format="csv")
    with pytest.raises(
        InputError, match=r"08a01W\.wav has the split 'train' in table again and 'test' in table emotion\."
    ):
        import_audformat(tmp_path, "emotion", tmp_path / "x.csv")
    (tmp_path / "db.again.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"db\.again\.pkl is a pickled copy of a table, which is not read: remove it"):
        import_audformat(tmp_path, "emotion", tmp_path / "x.csv")
    with pytest.raises(InputError, match=r"wav has no db\.yaml"):
        import_audformat(tmp_path / "wav", "emotion", tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()


def test_parts_of_files_are_refused(tmp_path: Path) -> None:
    database = make_database(tmp_path)
    index = audformat.segmented_index(["wav/03a01N.wav"], ["0.5s"], ["1s"])
    table = database["parts"] = audformat.Table(index)
    table["mood"] = audformat.Column(scheme_id="emotion")
    table["mood"].set(["anger"])
    database.save(str(tmp_path), storage_format="csv")
    with pytest.raises(
        InputError, match=r"table parts is of parts of files, such as wav/03a01N\.wav from 0 days 00:00:00"
    ):
        import_audformat(tmp_path, "mood", tmp_path / "x.csv")

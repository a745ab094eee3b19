"""A user's own split: columns of the corpus's table, and utterances that a protocol lists, taken as they are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from seq.conf import ProtocolConf
from seq.corpora.base import get_reader
from seq.data.fold_files import read_summary
from seq.data.folds import load_fold, make_folds, prepare_folds
from seq.errors import InputError
from seq.tasks.predictions import ManifestRow
from seq.utils.files import read_json
from seq.utils.protocol_conf import FoldConf, Selection

HEAD = "id,path,speaker,emotion,annotator,split,fold\n"


def protocol(**kwargs: object) -> ProtocolConf:
    return ProtocolConf("own", "for tests", ["happy", "sad"], **kwargs)


def cuts(*rows: tuple[str, str, str | None, str | None]) -> list[ManifestRow]:
    """Of id, speaker, split and fold; sad where the id begins with s, happy otherwise."""
    return [
        ManifestRow(id_, speaker, None, custom={
            "emotion": "other" if id_.startswith("o") else "sad" if id_.startswith("s") else "happy",
            "split": split, "fold": fold,
        })
        for id_, speaker, split, fold in rows
    ]  # fmt: skip


def test_the_column_split_is_one_fold() -> None:
    rows = [
        ("h1", "a", "train", None),
        ("s1", "a", "train", None),
        ("h2", "b", "valid", None),
        ("h3", "c", "test", None),
    ]
    rows += [("s3", "c", None, None), ("o1", "c", "test", None)]
    result = make_folds(cuts(*rows), protocol(column="split"))
    (fold,) = result.folds
    assert (fold.train, fold.valid, fold.test) == (["h1", "s1"], ["h2"], ["h3"])
    assert fold.speaker_disjoint and fold.valid_speaker_disjoint
    assert result.left_out(fold) == {"in no part of the fold": 1}
    assert result.excluded == {"emotion other is outside the protocol": 1}
    # A speaker on both sides is refused, or said.
    mixed = cuts(*rows, ("s4", "c", "train", None))
    with pytest.raises(InputError, match=r"speaker c is in both train and test .* set its speaker_disjoint to false"):
        make_folds(mixed, protocol(column="split"))
    result = make_folds(mixed, protocol(column="split", speaker_disjoint=False))
    assert "test 1 (1 speakers); 1 speakers of test are in train; 1 in no part" in result.describe(result.folds[0])
    # Valid may be chosen among the speakers of train, where the user does so.
    (fold,) = make_folds(cuts(*rows, ("s4", "b", "train", None)), protocol(column="split")).folds
    assert fold.speaker_disjoint and not fold.valid_speaker_disjoint
    with pytest.raises(InputError, match="no labelled utterance of the corpus's table has valid in its column split"):
        make_folds(cuts(*(row for row in rows if row[2] != "valid")), protocol(column="split"))


def test_the_column_fold_tests_every_value_once(tmp_path: Path) -> None:
    rows = [(f"{emotion}{k}", f"speaker {k}", None, k) for k in ("10", "9", "1") for emotion in "hs"]
    prepare_folds("mine", cuts(*rows, ("h0", "speaker 0", None, None)), protocol(column="fold"), tmp_path)
    assert read_summary(tmp_path).num_folds == 3
    folds = [load_fold(tmp_path, number) for number in (1, 2, 3)]
    assert [fold.test for fold in folds] == [["h1", "s1"], ["h9", "s9"], ["h10", "s10"]]
    assert [fold.valid for fold in folds] == [folds[1].test, folds[2].test, folds[0].test]
    assert read_json(tmp_path / "fold_1.json")["excluded"] == {"in no part of the fold": 1}
    with pytest.raises(
        InputError, match="column fold of the corpus's table has 2 different values, and 3 are the least"
    ):
        make_folds(cuts(*rows[:4]), protocol(column="fold"))
    with pytest.raises(InputError, match="needs one of folds, random and column"):
        make_folds(cuts(*rows), protocol(column="fold", folds=[FoldConf(Selection(["speaker 1"]), Selection())]))


def test_utterances_of_a_protocol(tmp_path: Path) -> None:
    rows = cuts(*((f"{e}{s}{n}", s, None, None) for e in "hso" for s in "abc" for n in range(3)))
    listed = FoldConf(Selection(utterances=["hc0", "oc0"]), Selection(["b"]), Selection(utterances=["ha0", "sa1"]))
    result = make_folds(rows, protocol(folds=[listed]))
    (fold,) = result.folds
    # What is outside the protocol is known, and not in test.
    assert (fold.test, fold.valid, fold.train) == (
        ["hc0"],
        [f"{e}b{n}" for e in "hs" for n in range(3)],
        ["ha0", "sa1"],
    )
    assert result.left_out(fold) == {"in no part of the fold": 18 - 9}
    # Without a list for train, the rest is train, and the speaker of test with it.
    rest = FoldConf(Selection(utterances=["hc0"]), Selection(utterances=["sc0"]))
    (fold,) = make_folds(rows, protocol(folds=[rest], speaker_disjoint=False)).folds
    assert len(fold.train) == 18 - 2
    for fold_conf, said in (
        (
            FoldConf(Selection(utterances=["hc9"]), Selection(["b"])),
            "fold 1, test names the utterance 'hc9', which the",
        ),
        (
            FoldConf(Selection(utterances=["hc0"]), Selection(["b"]), Selection(utterances=["ha0", "hc0"])),
            "fold 1 names the utterance 'hc0' in test and in train: keep it in one",
        ),
        (rest, "speaker c is in both train and test"),
    ):
        with pytest.raises(InputError, match=said):
            make_folds(rows, protocol(folds=[fold_conf]))
    absent = FoldConf(Selection(utterances=[f"x{n}" for n in range(20)] + ["hc0"]), Selection(["b"]))
    prepare_folds("mine", rows, protocol(folds=[absent], speaker_disjoint=False), tmp_path, partial=True)
    assert "without the utterances x0, x1, x10" in read_summary(tmp_path).describe()[0]
    assert read_summary(tmp_path).describe()[0].endswith(" and 8 more")


def read(folder: Path, table: str) -> list[tuple[str, str | None, str | None]]:
    (folder / "metadata.csv").write_text(HEAD + table)
    return [(u.id, u.split, u.fold) for u in get_reader("seqd").read(folder, {})]


def test_the_table_has_one_split_and_one_fold_per_utterance(tmp_path: Path) -> None:
    rows = "x,x.wav,s,sad,a1,test,2\nx,x.wav,s,happy,a2,test,2\ny,y.wav,s,sad,a1,,\n"
    assert read(tmp_path, rows) == [("x", "test", "2"), ("y", None, None)]
    for table, said in (
        (rows.replace("a2,test", "a2,train"), r"lines 2 and 3: x has the split 'test' and 'train': keep one"),
        (rows.replace("a2,test,2", "a2,test,3"), r"lines 2 and 3: x has the fold '2' and '3': keep one"),
        (rows + "z,x.wav,s,sad,a1,train,\n", r"lines 2 and 5: x\.wav is x and z: keep one"),
        (rows + "z,z.wav,s,sad,a1,dev,\n", r"line 5: z has the split 'dev': write train, valid, test, or nothing"),
    ):
        with pytest.raises(InputError, match=said):
            read(tmp_path, table)

"""Stage 3: folds are what the conf says, disjoint, and stay so; each way of breaking them is noticed."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from seq.conf import ProtocolConf, RawName, load_conf
from seq.data.fold_checks import check_fold
from seq.data.fold_files import choose_folds, fold_numbers, read_fold_parts, read_summary
from seq.data.folds import load_fold, make_folds, prepare_folds, protocol_emotion
from seq.errors import InputError
from seq.tasks.predictions import ManifestRow
from seq.utils.files import read_json, write_json
from seq.utils.protocol_conf import FoldConf, RandomFolds, Selection

SPEAKERS = ("a", "b", "c", "d")
EMOTIONS = ("neutral", "happy", "excited", "other")


def make_cuts(speakers: tuple[str, ...] = SPEAKERS, num_sentences: int = 10) -> list[ManifestRow]:
    """Every speaker says every sentence with every emotion."""
    return [
        ManifestRow(
            f"{speaker}-{emotion}-{sentence:02d}",
            speaker,
            None,
            custom={"emotion": emotion, "sentence": f"{sentence:02d}"},
        )
        for speaker in speakers
        for emotion in EMOTIONS
        for sentence in range(num_sentences)
    ]


def by_speaker(test: list[str], valid: list[str]) -> FoldConf:
    return FoldConf(test=Selection(speakers=test), valid=Selection(speakers=valid))


def protocol(*folds: FoldConf, **kwargs: object) -> ProtocolConf:
    merges = [RawName("excited", "happy")]
    return ProtocolConf("p", "for tests", ["neutral", "happy"], merges=merges, folds=list(folds), **kwargs)


def test_speaker_folds_merges_and_exclusions() -> None:
    result = make_folds(make_cuts(), protocol(by_speaker(["a"], ["b"]), by_speaker(["b", "c"], ["d"])))
    first, second = result.folds
    assert {id_[0] for id_ in first.test} == {"a"} and len(first.test) == 30
    assert {id_[0] for id_ in first.valid} == {"b"}
    assert {id_[0] for id_ in first.train} == {"c", "d"}
    assert {id_[0] for id_ in second.train} == {"a"}
    assert result.excluded == {"emotion other is outside the protocol": 40}
    assert sum("excited" in id_ for id_ in first.test) == 10
    assert protocol_emotion("excited", protocol()) == "happy" and protocol_emotion(None, protocol()) is None


def test_valid_by_sentences_stays_out_of_train_and_never_takes_from_test() -> None:
    conf = FoldConf(test=Selection(speakers=["a"]), valid=Selection(sentences=["08", "09"]))
    (fold,) = make_folds(make_cuts(), protocol(conf)).folds
    assert {id_[0] for id_ in fold.test} == {"a"} and {id_[-2:] for id_ in fold.test} >= {"08", "09"}
    assert {id_[-2:] for id_ in fold.valid} == {"08", "09"} and {id_[0] for id_ in fold.valid} == {"b", "c", "d"}
    assert not {id_[-2:] for id_ in fold.train} & {"08", "09"}
    assert fold.speaker_disjoint and not fold.valid_speaker_disjoint


def test_a_selection_of_speakers_and_sentences_needs_both() -> None:
    conf = FoldConf(test=Selection(["a", "b"], ["01"]), valid=Selection(["c"], ["02"]))
    (fold,) = make_folds(make_cuts(), protocol(conf, speaker_disjoint=False)).folds
    assert {(id_[0], id_[-2:]) for id_ in fold.test} == {("a", "01"), ("b", "01")}
    assert {(id_[0], id_[-2:]) for id_ in fold.valid} == {("c", "02")}
    assert len(fold.train) == 120 - 6 - 3


def test_sentences_of_test_and_of_valid_are_nowhere_else() -> None:
    conf = protocol(FoldConf(Selection(["a"], ["01", "02"]), Selection(["b"], ["03"])), sentence_disjoint=True)
    result = make_folds(make_cuts(), conf)
    (fold,) = result.folds
    assert {(id_[0], id_[-2:]) for id_ in fold.test} == {("a", "01"), ("a", "02")}
    assert {(id_[0], id_[-2:]) for id_ in fold.valid} == {("b", "03")}
    others = {"00", "04", "05", "06", "07", "08", "09"}
    assert {(id_[0], id_[-2:]) for id_ in fold.train} == {(s, other) for s in "cd" for other in others}
    assert fold.speaker_disjoint and fold.valid_speaker_disjoint and fold.sentence_disjoint
    fold.train.append("c-happy-03")
    with pytest.raises(InputError, match="fold 1: sentence 03 is in both train and valid"):
        check_fold(fold, result.speakers, result.sentences)
    with pytest.raises(InputError, match="name sentences in test and valid of every fold"):
        make_folds(make_cuts(), protocol(by_speaker(["a"], ["b"]), sentence_disjoint=True))


def test_random_folds_are_stratified_complete_and_seeded() -> None:
    def draw(seed: int) -> list[list[str]]:
        result = make_folds(make_cuts(), protocol(speaker_disjoint=False, random=RandomFolds(5, seed)))
        for index, fold in enumerate(result.folds):
            assert fold.valid == result.folds[(index + 1) % 5].test
            assert set(fold.train) == set(result.speakers) - set(fold.test) - set(fold.valid)
        return [fold.test for fold in result.folds]

    tests = draw(0)
    assert sorted(id_ for test in tests for id_ in test) == sorted(c.id for c in make_cuts() if "other" not in c.id)
    for test in tests:
        # happy and excited are one class of 20 per speaker
        counts = Counter((id_[0], protocol_emotion(id_.split("-")[1], protocol())) for id_ in test)
        assert counts == {(s, e): n for s in SPEAKERS for e, n in (("neutral", 2), ("happy", 4))}
    assert draw(0) == tests and draw(1) != tests


def test_random_folds_by_speaker_share_no_speaker() -> None:
    conf = protocol(random=RandomFolds(3, 0, "speaker"))
    result = make_folds(make_cuts(), conf)
    tests = [{result.speakers[id_] for id_ in fold.test} for fold in result.folds]
    assert sorted(map(len, tests)) == [1, 1, 2] and set().union(*tests) == set(SPEAKERS)
    for index, fold in enumerate(result.folds):
        assert fold.speaker_disjoint and fold.valid_speaker_disjoint
        assert {result.speakers[id_] for id_ in fold.valid} == tests[(index + 1) % 3]
    assert make_folds(make_cuts(), conf) == result
    with pytest.raises(InputError, match="deals 4 speakers to 5 folds"):
        make_folds(make_cuts(), protocol(random=RandomFolds(5, 0, "speaker")))
    with pytest.raises(InputError, match="deals whole speakers: set speaker_disjoint to true"):
        make_folds(make_cuts(), protocol(random=RandomFolds(3, 0, "speaker"), speaker_disjoint=False))


def test_nothing_is_tested_that_was_heard_under_another_id() -> None:
    conf = protocol(by_speaker(["a"], ["b"]))
    same_side = [["c-happy-01", "d-happy-02"], ["a-happy-01", "a-happy-02"], ["a-other-01", "c-other-01"]]
    make_folds(make_cuts(), conf, copies=same_side)
    for other, part in (("d-happy-01", "train"), ("b-happy-01", "valid")):
        copies = [*same_side, [other, "a-happy-03", "a-happy-04"]]
        with pytest.raises(InputError, match=rf"fold 1: a-happy-03 in test is .* as {other} in {part} \(1 such\): rem"):
            make_folds(make_cuts(), conf, copies=copies)
    # Where speakers are mixed, too: a copy is no other take.
    mixed = protocol(speaker_disjoint=False, random=RandomFolds(5))
    with pytest.raises(InputError, match="in test is the same recording as"):
        make_folds(make_cuts(), mixed, copies=[[c.id for c in make_cuts() if c.id.startswith("a-happy")]])


def test_languages_outside_the_protocol_are_excluded_with_a_count() -> None:
    cuts = [replace(cut, language="en" if cut.id.startswith("d") else "zh") for cut in make_cuts()]
    result = make_folds(cuts, protocol(by_speaker(["a"], ["b"]), languages=["zh"]))
    assert set(result.speakers.values()) == {"a", "b", "c"}
    assert result.excluded["language en is outside the protocol"] == 40


@pytest.mark.parametrize(
    ("conf", "what"),
    [
        (
            protocol(by_speaker(["a"], ["b"]), by_speaker(["c", "a"], ["b"])),
            "speaker a is in the test part of folds 1 and 2",
        ),
        (protocol(by_speaker(["a"], ["x"])), "valid names the speaker 'x'"),
        (protocol(FoldConf(Selection(["a"]), Selection(sentences=["99"]))), "valid names the sentence '99'"),
        (protocol(by_speaker(["a"], ["a"])), "no utterance in valid"),
        (protocol(by_speaker(["a", "b"], ["c", "d"])), "no utterance in train"),
        (protocol(FoldConf(Selection(["a"], ["01"]), Selection(["b"]))), "speaker a is in both train and test"),
        (protocol(random=RandomFolds(5)), "speaker_disjoint"),
        (protocol(), "needs one of folds, random and column"),
        (protocol(random=RandomFolds(10**9, 0, "speaker")), "p has 1000000000 folds, and 100 are the most"),
        (protocol(*1000 * [by_speaker(["a"], ["b"])]), "p has 1000 folds, and 100 are the most"),
    ],
)
def test_broken_protocols(conf: ProtocolConf, what: str) -> None:
    with pytest.raises(InputError, match=what):
        make_folds(make_cuts(), conf)


def test_a_partial_copy_goes_without_those_who_are_absent_and_skips_folds(tmp_path: Path) -> None:
    sentence = FoldConf(Selection(["a"]), Selection(sentences=["09", "99"]))
    conf = protocol(sentence, by_speaker(["x"], ["b"]), by_speaker(["c"], ["y", "d"]), by_speaker(["d"], ["x", "y"]))
    with pytest.raises(InputError, match="valid names the sentence '99', which the corpus lacks"):
        make_folds(make_cuts(), conf)
    prepare_folds("mini", make_cuts(), conf, tmp_path, partial=True)
    assert fold_numbers(tmp_path) == [1, 3]
    assert {id_[0] for id_ in load_fold(tmp_path, 3).valid} == {"d"}
    summary = read_summary(tmp_path)
    assert summary.absent == {"speakers": ["x", "y"], "sentences": ["99"]} and summary.num_folds == 4
    assert summary.skipped == {2: "no utterance is left in test", 4: "no utterance is left in valid"}
    assert choose_folds(tmp_path, []) == [1, 3] and choose_folds(tmp_path, [3]) == [3]
    with pytest.raises(InputError, match=r"fold 2 is skipped \(no utterance is left in test\); choose from 1, 3"):
        choose_folds(tmp_path, [2])
    with pytest.raises(InputError, match="leaves no fold"):
        make_folds(make_cuts(), protocol(by_speaker(["x"], ["a"]), by_speaker(["a"], ["y"])), partial=True)
    # Three of four speakers dealt to four folds: the fourth tests nobody, and the third has nobody to choose on.
    dealt = make_folds(make_cuts(("a", "b", "c")), protocol(random=RandomFolds(4, 0, "speaker")), partial=True)
    assert [fold.fold for fold in dealt.folds] == [1, 2] and set(dealt.skipped) == {3, 4}


def test_a_fold_that_stays_the_same_keeps_its_time(tmp_path: Path) -> None:
    conf = protocol(by_speaker(["a"], ["b"]), by_speaker(["b"], ["c"]))
    prepare_folds("mini", make_cuts(), conf, tmp_path)
    os.utime(tmp_path / "fold_1.json", (0, 0))
    os.utime(tmp_path / "fold_2.json", (0, 0))
    prepare_folds("mini", make_cuts(), protocol(conf.folds[0], by_speaker(["b"], ["d"])), tmp_path)
    assert [(tmp_path / f"fold_{k}.json").stat().st_mtime > 0 for k in (1, 2)] == [False, True]


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(InputError, match="'joy' is not an emotion"):
        make_folds(make_cuts(), ProtocolConf("p", "", ["joy"], folds=[by_speaker(["a"], ["b"])]))


def test_files_are_checked_again_when_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = protocol(by_speaker(["a"], ["b"]), by_speaker(["b"], ["c"]))
    write_json(tmp_path / "fold_7.json", {})
    prepare_folds("mini", make_cuts(), conf, tmp_path)
    assert "excluded 40 utterances: emotion other is outside the protocol" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold_1.json", "fold_2.json", "folds.json"]
    speakers = make_folds(make_cuts(), conf).speakers
    assert load_fold(tmp_path, 1, speakers) == make_folds(make_cuts(), conf).folds[0]
    with pytest.raises(InputError, match=r"no fold 3 .*the folds are 1, 2"):
        load_fold(tmp_path, 3)

    data = read_json(tmp_path / "fold_1.json")
    write_json(tmp_path / "fold_1.json", {**data, "train": [*data["train"], data["test"][0]]})
    with pytest.raises(InputError, match="utterance a-neutral-00 is in both train and test"):
        load_fold(tmp_path, 1)
    write_json(tmp_path / "fold_1.json", {**data, "test": data["test"][1:], "train": [*data["train"], data["test"][0]]})
    with pytest.raises(InputError, match="speaker a is in both train and test"):
        load_fold(tmp_path, 1, speakers)
    write_json(tmp_path / "fold_1.json", {**data, "valid": []})
    with pytest.raises(InputError, match="no utterance in valid"):
        load_fold(tmp_path, 1)
    for damaged, said in (([], "must be a mapping"), ({**data, "test": "a"}, "test is 'a'"), ({"protocol": 1}, "")):
        write_json(tmp_path / "fold_1.json", damaged)
        for read in (load_fold, read_fold_parts):
            with pytest.raises(InputError, match=rf"fold_1\.json is damaged, run stage 3 again: .*{said}"):
                read(tmp_path, 1)
    summary = read_json(tmp_path / "folds.json")
    for damaged in ([], {**summary, "num_folds": 0}, {**summary, "absent": {"speakers": 5}}, {"skipped": {"x": ""}}):
        write_json(tmp_path / "folds.json", damaged)
        with pytest.raises(InputError, match=r"folds\.json is damaged, run stage 3 again"):
            read_summary(tmp_path)


def test_check_fold_knows_when_speakers_may_be_shared() -> None:
    (fold, *_) = make_folds(make_cuts(), protocol(speaker_disjoint=False, random=RandomFolds(5))).folds
    check_fold(fold, {id_: "one" for id_ in fold.train + fold.valid + fold.test})
    fold.speaker_disjoint = True
    with pytest.raises(InputError, match="speaker one is in both train and test"):
        check_fold(fold, {id_: "one" for id_ in fold.train + fold.valid + fold.test})


def test_ravdess_has_the_published_folds_and_valid_of_one_man_and_one_woman() -> None:
    conf = load_conf(Path(__file__).parents[2] / "egs/ravdess/conf/default.yaml")
    published = [{1, 11, 20, 21}, {4, 10, 12, 14}, {8, 9, 19, 23}, {3, 5, 7, 24}, {2, 15, 16, 18}, {6, 13, 17, 22}]
    folds = conf.protocol("emobox").folds
    assert [{int(name) for name in fold.test.speakers} for fold in folds] == published
    for fold in folds:
        assert sorted(int(name) % 2 for name in fold.valid.speakers) == [0, 1]
        assert not set(fold.valid.speakers) & set(fold.test.speakers)

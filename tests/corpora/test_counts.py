"""Counts of a complete copy; and names that no corpus may have: they become names of files, and words in lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seq.conf import CorpusConf, load_conf
from seq.corpora.base import Utterance
from seq.corpora.counts import CorpusCounts
from seq.errors import InputError

EGS = Path(__file__).resolve().parents[2] / "egs"


def test_a_least_number_of_utterances_is_asserted_and_more_are_welcome() -> None:
    conf = load_conf(EGS / "mead/conf/default.yaml").corpus
    assert (conf.min_utterances, conf.num_utterances) == (31729, None)
    counts = CorpusCounts(replace(conf, min_utterances=3, num_speakers=1))
    for name in ("a", "b"):
        counts.add(Utterance(name, Path(f"/c/{name}.wav"), "s", None, "en", None, None), None)
    said = "2 utterances of 1 speakers, but a complete mead has 3 or more of 1"
    with pytest.raises(InputError, match=f"/c has {said}: complete it, or pass --allow-partial"):
        counts.check("/c", allow_partial=False)
    assert counts.check("/c", allow_partial=True) and counts.comparison() == said
    for name in ("c", "d"):
        counts.add(Utterance(name, Path(f"/c/{name}.wav"), "s", None, "en", None, None), None)
        assert not counts.check("/c", allow_partial=False)
    with pytest.raises(InputError, match=r"corpus\.num_utterances and corpus\.min_utterances are both given: keep one"):
        load_conf(EGS / "mead/conf/default.yaml", ["corpus.num_utterances=31729"])


def count(id_: str = "u", audio: str = "/c/a.wav", speaker: str = "s") -> None:
    CorpusCounts(CorpusConf("c", "c")).add(Utterance(id_, Path(audio), speaker, None, "en", None, None), None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"id_": "x" * 300},
            f"/c/a.wav: its id, '{'x' * 300}', has 300 bytes, and 200 at most can name a file: rename",
        ),
        ({"id_": "好" * 67}, "has 201 bytes"),
        ({"id_": ".."}, "its id, '..', begins with a dot"),
        ({"id_": "a/b"}, "has a slash"),
        ({"id_": "wang zhe-sad-201"}, "its id, 'wang zhe-sad-201', has blanks: rename the file, or give it another"),
        ({"id_": "a\rb"}, r"its id, 'a\rb', has a control character"),
        ({"speaker": "a\nb"}, r"its speaker, 'a\nb', has a control character"),
        ({"audio": "/c/a\r.wav"}, r"the path '/c/a\r.wav' has a control character (such as a line break): rename"),
        ({"audio": f"/c/{'a' * 252}.wav"}, "is longer than the system allows: rename the file or folder"),
        ({"audio": "/caf\udce9/a.wav"}, r"the path '/caf\udce9/a.wav' is not UTF-8: rename the file or folder"),
    ],
)
def test_names_that_files_cannot_have_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as error:
        count(**given)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_names_of_any_language_are_taken() -> None:
    count("好" * 66, "/my corpus/你好 (1).wav", "李 四")

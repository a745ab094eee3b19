"""Names that a corpus may not have, in every recipe: they become names of files, and words in lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from seq.conf import CorpusConf
from seq.corpora.base import Utterance
from seq.corpora.counts import CorpusCounts
from seq.errors import InputError


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

"""Labels of a mini-batch as numbers: what is missing is masked, what several annotators said is a distribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from lhotse import MonoCut, SupervisionSegment

from seq.conf import CorpusConf, ProtocolConf, RawName
from seq.data.targets import NO_LABEL, Labeller
from seq.errors import InputError
from seq.tasks.base import Outputs, Setting, Supervision
from seq.tasks.kinds import CategoryTask
from seq.tasks.registry import default_names, in_order, register, unregister

CORPUS = CorpusConf("tiny", "casia")
SETTING = Setting(
    ProtocolConf("p", "", ["neutral", "happy", "sad"], merges=[RawName("excited", "happy")]),
    CORPUS,
    ("<blk>", "A", "B"),
    {"full": ["B", "A"]},
)


class Voted(CategoryTask):
    """A category of which every annotator's vote is kept."""

    name = "voted"
    order = 5
    by_class = True

    def outputs(self, setting: Setting) -> Outputs:
        return Outputs(self.kind, labels=("x", "y", "z"))

    def label(self, supervision: Supervision, setting: Setting) -> str | None:
        return (supervision.custom or {}).get("voted")

    def votes(self, supervision: Supervision, setting: Setting) -> dict[str, float] | None:
        return (supervision.custom or {}).get("votes")


@pytest.fixture
def voted() -> Iterator[None]:
    task = Voted()
    register(task)
    yield
    unregister(task)


def cut(id_: str, gender: str | None = None, **custom: object) -> MonoCut:
    supervision = SupervisionSegment(id_, id_, 0.0, 1.0, speaker="s", gender=gender, custom=custom)
    return MonoCut(id_, 0.0, 1.0, 0, supervisions=[supervision])


def labeller(names: list[str], setting: Setting = SETTING) -> Labeller:
    return Labeller({task.name: task.outputs(setting) for task in in_order(names)}, setting)


def test_what_an_utterance_lacks_is_masked() -> None:
    labels = labeller(default_names()).encode(
        [cut("full", "M", emotion="excited", intensity=0.5), cut("bare"), cut("other", "X", emotion="sad")]
    )
    assert labels.refs == {
        "emotion": ["happy", None, "sad"], "intensity": [0.5, None, None], "gender": ["M", None, None],
        "phone": [["B", "A"], None, None],
    }  # fmt: skip
    assert labels.targets["emotion"].tolist() == [1, NO_LABEL, 2]
    assert labels.targets["gender"].tolist() == [1, NO_LABEL, NO_LABEL]
    # Half way between weak and moderate.
    assert labels.targets["intensity"][0].tolist() == [1.0, 0.5, 0.0]
    assert labels.targets["intensity"][1:].isnan().all()
    assert labels.targets["phone"] == [[2, 1], None, None]


def test_a_label_that_the_network_lacks_is_named() -> None:
    with pytest.raises(InputError, match="utterance u has the emotion bored, which the protocol lacks"):
        labeller(["emotion"]).encode([cut("u", emotion="bored")])
    with pytest.raises(InputError, match="utterance u: token C is not in the token table"):
        labeller(["phone"], replace(SETTING, transcripts={"u": ["A", "C"]})).encode([cut("u")])
    known = replace(SETTING, symbols=("<blk>", "A", "<unk>"), transcripts={"u": ["A", "C"]})
    assert labeller(["phone"], known).encode([cut("u")]).targets["phone"] == [[1, 2]]


@pytest.mark.usefixtures("voted")
def test_soft_labels_are_the_distribution_of_the_annotators() -> None:
    soft = replace(SETTING, corpus=replace(CORPUS, soft_labels=True))
    cuts = [
        cut("several", "F", voted="x", votes={"x": 0.75, "z": 0.25}),
        cut("one", "M", voted="y"),
        cut("none", votes={"x": 1.0}),
    ]
    labels = labeller(["voted", "gender"], soft).encode(cuts)
    target = labels.targets["voted"]
    assert torch.equal(target, torch.tensor([[0.75, 0.0, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    # The majority stays the reference.
    assert labels.refs["voted"] == ["x", "y", None]
    # Gender has no annotators: its classes stay numbers.
    assert labels.targets["gender"].tolist() == [0, 1, NO_LABEL]
    hard = labeller(["voted"]).encode(cuts)
    assert hard.targets["voted"].tolist() == [0, 1, NO_LABEL]

"""Several annotators: their votes reach the manifest, the targets and the score; the divergence is scipy's."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from seq.conf import CorpusConf, ProtocolConf, RawName
from seq.corpora.base import get_reader
from seq.corpora.layouts import iemocap
from seq.data.targets import Labeller
from seq.labels import map_votes
from seq.tasks.base import Setting
from seq.tasks.emotion import TASK
from seq.tasks.predictions import CategoryPrediction, ManifestRow
from seq.tasks.statistics import Distribution

CLASSES = ["angry", "happy", "sad", "neutral"]
PROTOCOL = ProtocolConf("four", "", CLASSES, merges=[RawName("excited", "happy")])


class Silent:
    """Writes empty files where a studio would record."""

    def record(self, path: Path, *_: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_iemocaps_raters_are_counted_and_actors_own_views_are_not(tmp_path: Path) -> None:
    iemocap.write(tmp_path, Silent())  # type: ignore[arg-type]
    utterances = {u.id: u for u in get_reader("iemocap").read(tmp_path, {})}
    # Two raters heard anger alone, the third anger and frustration: half a vote each.
    assert utterances["Ses01F_impro01_F000"].votes == {"ang": 2.5, "fru": 0.5}
    no_majority = utterances["Ses01M_script01_1b_M004"]
    assert (no_majority.raw["emotion"], no_majority.votes) == (None, {"ang": 1.0, "sad": 1.0, "neu": 1.0})


def test_shares_are_merged_and_kept_to_the_protocol() -> None:
    conf = CorpusConf(
        "c", "r", emotions=[RawName("exc", "excited"), RawName("hap", "happy"), RawName("fru", "frustrated")]
    )
    # One annotator's word that the conf does not know counts for nobody.
    shares = map_votes({"exc": 1.0, "hap": 2.0, "fru": 1.0, "joy": 4.0}, conf)
    assert shares == {"excited": 0.25, "happy": 0.5, "frustrated": 0.25}
    row = ManifestRow("u", "s", None, custom={"emotion": "happy", "emotion_votes": shares})
    # Frustration is outside the four classes.
    assert TASK.votes(row, Setting(PROTOCOL, conf)) == {"happy": 1.0}
    assert TASK.votes(ManifestRow("u", "s", None, custom={"emotion": "happy"}), Setting(PROTOCOL, conf)) is None


def test_targets_are_shares_where_the_conf_asks_for_them() -> None:
    votes = {"happy": 0.5, "sad": 0.5}
    customs: list[dict[str, object]] = [{"emotion": "sad", "emotion_votes": votes}, {"emotion": "angry"}, {}]
    cuts = [
        SimpleNamespace(id=str(i), supervisions=[ManifestRow(str(i), "s", None, custom=c)])
        for i, c in enumerate(customs)
    ]
    soft, hard = (
        Labeller({"emotion": TASK.outputs(setting)}, setting).encode(cuts)
        for setting in (Setting(PROTOCOL, CorpusConf("c", "r", soft_labels=on)) for on in (True, False))
    )
    assert torch.equal(soft.targets["emotion"], torch.tensor([[0, 0.5, 0.5, 0], [1, 0, 0, 0], [0, 0, 0, 0]]))
    assert torch.equal(hard.targets["emotion"], torch.tensor([2, 0, -100]))
    assert soft.refs["emotion"] == hard.refs["emotion"] == ["sad", "angry", None]


def test_the_divergence_is_that_of_scipy() -> None:
    rng = np.random.default_rng(3)
    shares, probs = rng.dirichlet(np.full(4, 0.4), (2, 30))
    shares[:5] = np.eye(4)[[0, 1, 2, 3, 0]]
    speakers = rng.choice(["a", "b", "c"], 30).tolist()
    refs = [CLASSES[i] for i in shares.argmax(1)]
    pairs = [None if i % 7 == 6 else (shares[i].tolist(), probs[i].tolist()) for i in range(30)]
    statistic = Distribution(refs, [CLASSES[i] for i in probs.argmax(1)], speakers, CLASSES, pairs)
    each = [jensenshannon(*pair, base=2) ** 2 if pair else math.nan for pair in pairs]
    assert statistic.values(np.ones((1, 3)))["JSD"][0] == pytest.approx(np.nanmean(each))
    only_b = [value for value, speaker in zip(each, speakers, strict=True) if speaker == "b"]
    assert statistic.values(np.array([[0.0, 1.0, 0.0]]))["JSD"][0] == pytest.approx(np.nanmean(only_b))


def test_scores_say_both_where_there_are_votes() -> None:
    outputs = TASK.outputs(Setting(PROTOCOL, CorpusConf("c", "r")))
    probs = dict.fromkeys(CLASSES, 0.25)
    plain = CategoryPrediction("sad", "sad", probs)
    voted = CategoryPrediction("sad", "sad", probs, votes={"sad": 1.0})
    assert "JSD" not in TASK.statistic([plain], ["s"], outputs).bounds
    values = TASK.statistic([plain, voted], ["s", "s"], outputs).values(np.ones((1, 1)))
    # One class against four equal ones.
    assert values["UA"][0] == 1.0
    assert values["JSD"][0] == pytest.approx(jensenshannon([0, 0, 1, 0], [0.25] * 4, base=2) ** 2)

"""Valence, arousal, dominance: from IEMOCAP's and SEQD's tables to labels; CCC against its definition."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from seq.conf import Conf, load_conf
from seq.corpora.base import Utterance, get_reader
from seq.errors import InputError
from seq.labels import map_labels
from seq.tasks.base import Outputs, Setting, Stretch
from seq.tasks.number_statistics import Concordance
from seq.tasks.predictions import ManifestRow, ValuePrediction
from seq.tasks.registry import default_names, parse_names
from seq.tasks.valence import TASK
from seq.train.losses import value_loss

EGS = Path(__file__).resolve().parents[2] / "egs"


@pytest.fixture(scope="module")
def iemocap() -> Conf:
    return load_conf(EGS / "iemocap/conf/default.yaml")


def write_dialogue(root: Path, *ratings: str) -> list[Utterance]:
    """One turn of IEMOCAP whose raters wrote `ratings`."""
    session = root / "Session1"
    turn = "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]"
    for folder, lines in (("EmoEvaluation", [turn, *ratings]), ("transcriptions", [])):
        (session / "dialog" / folder).mkdir(parents=True, exist_ok=True)
        (session / f"dialog/{folder}/Ses01F_impro01.txt").write_text("\n".join(lines) + "\n")
    wav = session / "sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    wav.parent.mkdir(parents=True, exist_ok=True)
    wav.touch()
    return list(get_reader("iemocap").read(root, {}))


def test_iemocap_has_the_mean_of_its_raters_and_a_missing_number_is_missing(tmp_path: Path, iemocap: Conf) -> None:
    (utterance,) = write_dialogue(
        tmp_path,
        "A-E3:\tval 3; act 2; dom  2;\t()",
        "A-E4:\tval 2; act 3; dom  ;\t(mixture of anxiety, and anger)",
        # The actor's own view does not count.
        "A-F1:\tval 5; act 5; dom  5;\t()",
    )
    labels = map_labels(utterance.id, utterance.raw, iemocap.corpus)
    assert labels == {"emotion": "neutral", "valence": 0.375, "arousal": 0.375, "dominance": 0.25}
    outputs = TASK.outputs(Setting(iemocap.protocols[0], iemocap.corpus))
    assert (outputs.low, outputs.high) == (1.0, 5.0)
    row = ManifestRow(utterance.id, utterance.speaker, None, custom=labels)
    # In the corpus's own unit.
    label = TASK.label(row, Setting(iemocap.protocols[0], iemocap.corpus))
    assert label is not None and TASK.reference(label, outputs) == 2.5
    (unrated,) = write_dialogue(tmp_path, "A-E3:\tval ; act ; dom  ;\t()")
    assert map_labels(unrated.id, unrated.raw, iemocap.corpus) == {"emotion": "neutral"}


def test_a_rating_outside_the_range_is_an_error(tmp_path: Path, iemocap: Conf) -> None:
    (utterance,) = write_dialogue(tmp_path, "A-E3:\tval 7; act 2; dom  2;\t()")
    with pytest.raises(InputError, match=r"F000 has the valence 7, outside the scale from 1 to 5 of iemocap"):
        map_labels(utterance.id, utterance.raw, iemocap.corpus)


def test_seqd_has_columns_of_these_names(tmp_path: Path) -> None:
    conf = load_conf(EGS / "seqd/conf/default.yaml").corpus
    rows = [
        {"path": "a.wav", "speaker": "s", "emotion": "happy", "valence": "5", "arousal": "3", "annotator": "x"},
        {"path": "a.wav", "speaker": "s", "emotion": "happy", "valence": "4", "arousal": "", "annotator": "y"},
    ]
    with open(tmp_path / "metadata.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (utterance,) = get_reader("seqd").read(tmp_path, {})
    assert utterance.raw["valence"] == "5;4"
    labels = map_labels(utterance.id, utterance.raw, conf)
    assert labels == {"emotion": "happy", "valence": 0.875, "arousal": 0.5}


def test_they_are_trained_where_they_are_asked_for() -> None:
    assert default_names() == ["emotion", "intensity", "gender", "phone"]
    assert parse_names("dominance,emotion,valence") == ["emotion", "valence", "dominance"]
    with pytest.raises(InputError, match=r"--tasks joy: there is no task 'joy'; choose from emotion,.*,dominance"):
        parse_names("joy")


def test_ccc_is_that_of_its_definition_and_a_shift_costs() -> None:
    rng = np.random.default_rng(0)
    refs = rng.uniform(1, 5, 60)
    hyps = 0.7 * refs + rng.normal(0.8, 0.5, 60)
    speakers = rng.choice(["a", "b", "c"], 60)
    found = Concordance(refs.tolist(), hyps.tolist(), speakers.tolist())

    def ccc(x: np.ndarray, y: np.ndarray) -> float:
        # Lin (1989), equation 1, with the biased moments of numpy.
        return 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)

    values = found.values(np.ones((1, 3)))
    assert values["CCC"][0] == pytest.approx(ccc(refs, hyps))
    assert values["MAE"][0] == pytest.approx(np.abs(refs - hyps).mean())
    # A speaker drawn twice counts twice, one left out not at all.
    drawn = np.concatenate([np.flatnonzero(speakers == name) for name in ("a", "a", "c")])
    values = found.values(np.array([[2.0, 0.0, 1.0]]))
    assert values["CCC"][0] == pytest.approx(ccc(refs[drawn], hyps[drawn]))
    perfect, shifted = (Concordance(refs, refs + by, speakers.tolist()).values(np.ones((1, 3))) for by in (0, 1))
    assert perfect["CCC"][0] == pytest.approx(1) and shifted["CCC"][0] < 0.8 and shifted["MAE"][0] == pytest.approx(1)
    assert np.isnan(Concordance([2.0, 2.0], [2.0, 2.0], ["a", "b"]).values(np.ones((1, 2)))["CCC"][0])


def test_the_loss_is_least_at_the_value_and_masks_what_is_unrated() -> None:
    logits = torch.zeros(3, 1, requires_grad=True)
    loss, count = value_loss(logits, torch.tensor([0.8, float("nan"), 0.5]))
    loss.backward()
    assert logits.grad is not None and count == 2
    # The gradient is the error of the sigmoid, 0.5.
    assert logits.grad[:, 0].tolist() == pytest.approx([-0.3, 0.0, 0.0])


def test_answers_are_in_the_units_of_the_corpus() -> None:
    outputs = Outputs("value", low=1.0, high=5.0)
    stretch = Stretch(0.0, 1.0, 0.04)
    answer = TASK.answer(np.array([0.0]), outputs, stretch)
    assert answer.to_json() == {"value": 3.0, "low": 1.0, "high": 5.0}
    high = TASK.answer(np.array([50.0]), outputs, stretch)
    merged = TASK.merge([answer, high], [(0.0, 1.0), (1.0, 4.0)], outputs)
    assert merged.to_json()["value"] == pytest.approx(4.5)
    assert TASK.predict([0.25], 0.5, outputs) == ValuePrediction(3.0, 2.0)
    assert TASK.cells(answer) == ["3.0000"] and TASK.fact(answer) == "valence 3.0 (1 to 5)"

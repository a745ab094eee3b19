"""EmoBox's listings become a protocol: their folds as they are, in our ids, with what speakers they share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lhotse import CutSet

from seq.conf import ProtocolConf, load_conf
from seq.corpora.base import Utterance
from seq.data.emobox import import_listings
from seq.data.folds import make_folds
from seq.data.manifests import make_cut
from seq.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
ROW = {"sampling_rate": 16000, "num_samples": 16000, "num_channels": 1, "start": 0.0, "end": 1.0}
SPEAKERS, EMOTIONS = ("Anna", "bert", "cora"), ("happy", "sad", "other")
CONF = """
model_name: scratch
corpus: {name: casia, reader: casia, emotions: [{raw: happy, name: happy}]}
protocols: [{name: p, description: d, emotions: [happy, sad], random: {num_folds: 3, by: speaker}}]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe with a conf and a manifest: three speakers, three emotions, ten sentences; paths as in CASIA."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/default.yaml").write_text(CONF)
    utterances = [
        (Utterance(f"{speaker}-{emotion}-{n}", Path(f"/d/CASIA/{speaker}/{emotion.title()}/{n}.FLAC"), speaker.lower(),
                   None, "zh", None, str(n)), emotion)
        for speaker in SPEAKERS for emotion in EMOTIONS for n in range(10)
    ]  # fmt: skip
    (tmp_path / "data/manifests").mkdir(parents=True)
    cuts = [make_cut(utterance, ROW, {"emotion": emotion}) for utterance, emotion in utterances]
    CutSet.from_cuts(cuts).to_file(tmp_path / "data/manifests/casia_cuts.jsonl.gz")
    return tmp_path


def names(*speakers: str, numbers: range = range(10), emotions: tuple[str, ...] = ("happy", "sad")) -> list[str]:
    return [f"{s}/{e}/{n}" for s in speakers for e in emotions for n in numbers]


def listing(recipe: Path, part: str, fold: int, paths: list[str], dataset: str = "casia") -> Path:
    """A file as EmoBox has them."""
    rows = [
        {"key": f"{dataset}-{path.replace('/', '-')}", "dataset": dataset, "wav": f"downloads/{dataset}/{path}.wav",
         "type": "raw", "sample_rate": 16000, "num_frame": 16000.0, "task": "category", "length": 1.0,
         "emo": path.split("/")[1], "channel": 1}
        for path in paths
    ]  # fmt: skip
    file = recipe / f"{dataset}_{part}_fold_{fold}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def run(recipe: Path, *files: Path, out: str = "conf/emobox.yaml", partial: bool = False) -> ProtocolConf:
    import_listings(files, recipe / "conf/default.yaml", out=recipe / out, partial=partial)
    return load_conf(recipe / out).protocol("emobox")


def test_folds_of_speakers_become_folds_of_speakers(recipe: Path) -> None:
    folds = [["anna"], ["bert"], ["cora"]]
    files = [listing(recipe, "test", k, names(*test)) for k, test in enumerate(folds, start=1)]
    files += [
        listing(recipe, "train", k, names(*(other for other in ("anna", "bert", "cora") if other not in test)))
        for k, test in enumerate(folds, start=1)
    ]
    # Once as a user does it.
    command = [sys.executable, ROOT / "tools/import_emobox.py", "--conf", recipe / "conf/default.yaml", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "valid is the next fold's test" in done.stdout and "warning" not in done.stderr
    protocol = load_conf(recipe / "conf/emobox.yaml").protocol("emobox")
    assert [(fold.test.speakers, fold.valid.speakers, fold.train) for fold in protocol.folds] == [
        (["anna"], ["bert"], None), (["bert"], ["cora"], None), (["cora"], ["anna"], None)
    ]  # fmt: skip
    assert protocol.speaker_disjoint and protocol.random is None
    cuts = CutSet.from_file(recipe / "data/manifests/casia_cuts.jsonl.gz")
    result = make_folds(cuts, protocol)
    assert [len(fold.test) for fold in result.folds] == [20, 20, 20]
    assert result.excluded == {"emotion other is outside the protocol": 30}


def test_a_split_that_mixes_speakers_is_kept_and_said(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test, train = names("anna", "bert", numbers=range(3)), names("anna", "bert", numbers=range(3, 9))
    files = [listing(recipe, "test", 1, test), listing(recipe, "train", 1, train)]
    protocol = run(recipe, *files)
    output = capsys.readouterr()
    assert "warning: up to 2 speakers of a test part are in train or valid, too" in output.err
    assert "2 speakers of test are in train; 24 in no part of the fold" in output.out
    assert not protocol.speaker_disjoint and "a tenth of train" in protocol.description
    assert "SPEAKER-DEPENDENT: up to 2 speakers" in protocol.description
    (fold,) = make_folds(CutSet.from_file(recipe / "data/manifests/casia_cuts.jsonl.gz"), protocol).folds

    def ours(listed: list[str]) -> set[str]:
        return {name.replace("anna", "Anna").replace("/", "-") for name in listed}

    assert set(fold.test) == ours(test) and len(fold.valid) == 2
    assert set(fold.train) | set(fold.valid) == ours(train)
    # The same lines, the same valid; and a listing of valid is taken instead.
    assert run(recipe, *files) == protocol
    protocol = run(recipe, *files, listing(recipe, "valid", 1, names("cora")))
    assert "valid as listed" in protocol.description and protocol.folds[0].valid.speakers == ["cora"]


def test_contradictions_name_both_lines(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*files: Path) -> str:
        with pytest.raises(InputError) as error:
            run(recipe, *files)
        assert "\n" not in str(error.value)
        return str(error.value)

    test = listing(recipe, "test", 1, names("anna"))
    train = listing(recipe, "train", 1, names("bert", "cora") + names("anna")[4:5])
    said = f"fold 1 has casia-anna-happy-4 twice: {test}, line 5 (test), and {train}, line 41 (train): remove"
    assert said in fails(test, train)
    again = listing(recipe, "test", 2, names("bert")[:1] + names("anna")[:1])
    assert f"casia-anna-happy-0 is tested twice: {test}, line 1, and {again}, line 2: remove" in fails(test, again)
    assert "fold 1 has no listing of test: pass its train, valid, test files" in fails(train)
    assert "the listings are of the folds 2: pass those of all folds, from 1" in fails(again)
    (recipe / "old").mkdir()
    old = recipe / "old/casia_test_fold1.jsonl"
    old.write_bytes(test.read_bytes())
    assert f"{test} and {old} are both test of fold 1: pass one" in fails(test, old)
    absent = listing(recipe, "test", 1, [*names("anna"), "dora/sad/1"])
    train = listing(recipe, "train", 1, names("bert", "cora"))
    said = "the manifest lacks 1 of 61 utterances that are listed: downloads/casia/dora/sad/1.wav"
    assert f"{said}: complete the corpus, or leave them out with --allow-partial" in fails(absent, train)
    assert "1 of 61 listed utterances are missing" in run(recipe, absent, train, partial=True).description
    assert f"warning: {said}" in capsys.readouterr().err
    other = listing(recipe, "train", 1, names("bert"), dataset="esd")
    assert "listings of one corpus make a protocol, not" in fails(absent, other)
    assert "is not named as EmoBox's listings" in fails(recipe / "conf/default.yaml")
    absent.write_text('{"key": "x"}\n')
    assert f"{absent}, line 1 has no key, dataset and wav" in fails(absent)

"""The miniature corpora: every recipe's stages 0-4 on its own, the traps inside, and telling one from another."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import soundfile
from lhotse import CutSet

from seq.conf import Conf, load_conf
from seq.corpora.base import Utterance, get_reader
from seq.corpora.miniature import CONF_NAME, LAYOUTS, write_miniature
from seq.corpora.verify import prepare_corpus
from seq.data.features import prepare_features
from seq.data.folds import prepare_folds
from seq.data.manifests import prepare_manifests
from seq.errors import InputError
from seq.lang.lexicon import prepare_lang
from seq.lang.transcripts import read_transcripts
from seq.utils.files import read_json, read_jsonl

ROOT = Path(__file__).resolve().parents[2]


def recipe_conf(layout: str) -> Path:
    return ROOT / "egs" / layout / "conf/default.yaml"


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("miniatures")
    for layout in LAYOUTS:
        write_miniature(layout, folder / layout, recipe_conf(layout))
    return {layout: folder / layout for layout in LAYOUTS}


def read(root: Path, **options: str) -> dict[str, Utterance]:
    return {u.id: u for u in get_reader(root.name).read(root, options)}


# Utterances, speakers, those with text, folds of every protocol.
EXPECTED = {
    "casia": (72, 4, 72, {"loso": 4, "random10": 10}),
    "cremad": (67, 6, 67, {"groups": 5}),
    "emodb": (35, 5, 35, {"loso": 5}),
    "esd": (90, 6, 90, {"emobox": 5, "zh": 3, "official": 1}),
    "iemocap": (50, 10, 50, {"four": 5}),
    "mead": (40, 5, 0, {"speakers5": 5}),
    "nemo": (90, 5, 90, {"loso": 5, "sentences": 5}),
    "ravdess": (56, 7, 56, {"emobox": 4, "search": 1, "sentences": 4}),
    "seqd": (50, 5, 50, {"speakers5": 5, "split": 1, "fold": 5}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_stages_0_to_4(layout: str, miniatures: dict[str, Path], tmp_path: Path) -> None:
    root = miniatures[layout]
    conf = load_conf(root / CONF_NAME)
    corpus_json, table, cuts = tmp_path / "corpus.json", tmp_path / "audio.jsonl", tmp_path / "cuts.jsonl.gz"
    prepare_corpus(conf, str(root), tmp_path, corpus_json, table)
    assert read_json(corpus_json)["num_silent"] == (1 if layout == "cremad" else 0)
    prepare_manifests(conf, corpus_json, table, cuts)
    utterances, speakers, texts, protocols = EXPECTED[layout]
    supervisions = [cut.supervisions[0] for cut in CutSet.from_file(cuts)]
    assert (len(supervisions), len({s.speaker for s in supervisions})) == (utterances, speakers)
    assert {s.gender for s in supervisions} == {"F", "M"}
    rates = bool(conf.corpus.intensities or "intensity" in conf.corpus.scales)
    # What was acted was heard by nobody in one utterance of CREMA-D's.
    unrated = 0 if rates else utterances
    assert sum("intensity" not in s.custom for s in supervisions) == (1 if layout == "cremad" else unrated)
    prepare_features(conf.features, cuts, tmp_path / "fbank.jsonl.gz", tmp_path / "storage")
    assert all(cut.num_features == 80 for cut in CutSet.from_file(tmp_path / "fbank.jsonl.gz"))
    for protocol in conf.protocols:
        prepare_folds(layout, CutSet.from_file(cuts), protocol, tmp_path / protocol.name)
        folds = [read_json(path) for path in sorted((tmp_path / protocol.name).glob("fold_*.json"))]
        assert len(folds) == protocols[protocol.name]
        assert {part for fold in folds for part in ("train", "valid", "test") if not fold[part]} == set()
    assert prepare_lang(cuts, tmp_path / "lang") == texts == len(read_transcripts(tmp_path / "lang"))


def whole_conf(layout: str) -> Conf:
    return load_conf(recipe_conf(layout))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_wrong_tree_is_told_by_name(layout: str, miniatures: dict[str, Path], tmp_path: Path) -> None:
    conf = whole_conf(layout)
    for other in LAYOUTS:
        # ... and the right one is known to be incomplete.
        message = f"this looks like {other}, not {layout}" if other != layout else "complete"
        if other == layout and not conf.corpus.num_speakers:
            continue
        with pytest.raises(InputError, match=message):
            prepare_corpus(conf, str(miniatures[other]), tmp_path, tmp_path / "corpus.json", tmp_path / "audio.jsonl")


def test_every_reader_finds_its_tree_below_and_refuses_two(miniatures: dict[str, Path], tmp_path: Path) -> None:
    for layout, root in miniatures.items():
        reader = get_reader(layout)
        deep = tmp_path / layout / "disk/corpora/release"
        shutil.copytree(root, deep)
        assert reader.find_root(tmp_path / layout) == deep, layout
        shutil.copytree(root, deep.with_name("release (2)"))
        with pytest.raises(InputError, match=r"release and .*release \(2\) both have"):
            reader.find_root(tmp_path / layout)


def test_casia_mixes_editions_and_cases(miniatures: dict[str, Path]) -> None:
    utterances = read(miniatures["casia"])
    assert Counter(u.speaker for u in utterances.values()) == dict.fromkeys(
        ("wangzhe", "zhaozuoxiang", "liuchanhg", "zhaoquanyin"), 18
    )
    assert utterances["zhaoquanyin-normal-d201"].text != utterances["zhaoquanyin-normal-205"].text
    assert utterances["zhaoquanyin-normal-205"].text == utterances["wangzhe-neutral-205"].text


def test_esd_reads_every_encoding(miniatures: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    root = miniatures["esd"]
    utterances = read(root)
    assert "esd: 2 lines of transcript files are malformed" in capsys.readouterr().err
    # The same three sentences in utf-8 (twice), gb2312 and utf-16, without their Mandarin emotion words.
    by_speaker = {s: [u.text for u in utterances.values() if u.speaker == s] for s in ("0001", "0003", "0004", "0008")}
    assert len(set(map(tuple, by_speaker.values()))) == 1 and by_speaker["0001"][0] == "我们明天上午去图书馆"
    # Latin-1, tabs; and UTF-8, blanks.
    assert utterances["0011_000351"].text == utterances["0015_000351"].text == "He ordered a café latte"
    angry = utterances["0003_000371"]
    assert (angry.raw.get("emotion"), angry.sentence, angry.gender, angry.language) == ("Angry", "zh-021", "F", "zh")
    assert angry.audio == root / "0003/Angry/test/0003_000371.wav"
    assert utterances["0011_000371"].audio == root / "0011/Angry/0011_000371.wav"
    assert {u.speaker for u in utterances.values() if u.gender == "M"} == {"0004", "0008", "0011"}


def test_iemocap_speaker_is_the_last_letter_group(miniatures: dict[str, Path]) -> None:
    utterances = read(miniatures["iemocap"])
    woman, man = utterances["Ses01M_script01_1b_F000"], utterances["Ses01F_impro01_M003"]
    assert (woman.speaker, woman.gender, woman.raw.get("emotion")) == ("Ses01F", "F", "neu")
    assert (man.speaker, man.gender, man.raw.get("emotion"), man.text) == ("Ses01M", "M", "exc", "We won the game")
    unsure = utterances["Ses05M_script01_1b_M004"]
    assert (unsure.raw.get("emotion"), unsure.text) == (None, "Well, I suppose so--")


def test_cremad_levels(miniatures: dict[str, Path], tmp_path: Path) -> None:
    utterances = read(miniatures["cremad"])
    assert utterances["1001_IEO_ANG_LO"].raw.get("intensity") == "LO"
    # Four of nine heard the anger that was acted, at 37.2, four disgust, and one nothing: 4 x 37.2 / 5.
    assert utterances["1001_TSI_ANG_XX"].raw.get("intensity") == "29.76"
    # One heard the sadness, at 30, four fear, and four nothing.
    assert utterances["1001_TSI_SAD_XX"].raw.get("intensity") == "6"
    assert (utterances["1002_TSI_DIS_XX"].raw.get("intensity"), utterances["1076_MTI_SAD_XX"].raw["intensity"]) == (
        None,
        "0",
    )
    conf = load_conf(miniatures["cremad"] / CONF_NAME)
    paths = [tmp_path / name for name in ("corpus.json", "audio.jsonl", "cuts.jsonl.gz")]
    prepare_corpus(conf, str(miniatures["cremad"]), tmp_path, *paths[:2])
    prepare_manifests(conf, *paths)
    values = {cut["id"]: cut["supervisions"][0]["custom"] for cut in read_jsonl(paths[2])}
    ids = ("1001_IEO_ANG_LO", "1001_IEO_DIS_MD", "1001_IEO_FEA_HI", "1001_TSI_ANG_XX", "1001_IEO_NEU_XX")
    assert [values[key]["intensity"] for key in ids] == pytest.approx([1 / 3, 2 / 3, 1, 0.2976, 0])
    assert "intensity" not in values["1002_TSI_DIS_XX"] and "raw_intensity" not in values["1001_IEO_NEU_XX"]


def test_ravdess_is_48_khz_and_one_file_stereo(miniatures: dict[str, Path]) -> None:
    infos = [soundfile.info(u.audio) for u in read(miniatures["ravdess"]).values()]
    assert Counter((info.samplerate, info.channels) for info in infos) == {(48000, 1): 55, (48000, 2): 1}


def test_seqd_has_a_tie_and_ratings_of_three(miniatures: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    utterances = read(miniatures["seqd"])
    error = capsys.readouterr().err
    assert "seqd: 1 of 50 utterances have no majority" in error
    assert "3 annotators, Krippendorff's alpha: emotion 0.8" in error or "pip install nltk" in error
    tie = utterances["s1_happy_0"]
    assert (tie.raw.get("emotion"), utterances["s1_happy_1"].raw.get("emotion")) == (None, "happy")
    assert utterances["s2_happy_1"].raw.get("intensity") == "1;2;1"
    assert (tie.language, utterances["s3_happy_0"].language) == ("zh", "en")


def test_same_seed_same_bytes_and_nothing_is_overwritten(miniatures: dict[str, Path], tmp_path: Path) -> None:
    write_miniature("emodb", tmp_path / "again", recipe_conf("emodb"))
    write_miniature("emodb", tmp_path / "other", recipe_conf("emodb"), seed=2)
    wavs = [
        {p.name: p.read_bytes() for p in (folder / "wav").iterdir()}
        for folder in (miniatures["emodb"], tmp_path / "again", tmp_path / "other")
    ]
    assert wavs[0] == wavs[1] != wavs[2]
    command = [sys.executable, str(ROOT / "tools/synth_corpus.py"), "--layout", "emodb", "--out"]
    done = subprocess.run([*command, str(tmp_path / "again")], capture_output=True, text=True)
    assert done.returncode == 2 and "again exists and is not empty: choose another folder" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "other"]

"""CASIA's reader on miniature trees: both editions, its optional tables, and bad input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seq.corpora.base import get_reader
from seq.corpora.casia import Reader
from seq.errors import InputError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    speakers = ("wangzhe", "ZhaoZuoxiang", "liuchanhg")
    names = [f"{s}/{e}/{n}.wav" for s in speakers for e in ("angry", "Fear") for n in (201, 202)]
    return touch(tmp_path / "casia", *names, "wangzhe/neutral/201.WAV", "wangzhe/angry/._201.wav", "readme.txt")


def read(root: Path, **options: str) -> dict[str, object]:
    return {u.id: u for u in Reader().read(root, options)}


def test_tree(corpus: Path) -> None:
    assert Reader().find_root(corpus) == Reader().find_root(corpus.parent) == corpus
    utterances = read(corpus)
    assert len(utterances) == 13
    u = utterances["zhaozuoxiang-fear-202"]
    assert (u.speaker, u.gender, u.language, u.text, u.sentence) == ("zhaozuoxiang", "M", "zh", None, "202")
    assert (u.raw.get("emotion"), u.raw.get("intensity"), u.audio.exists()) == ("fear", None, True)
    assert utterances["liuchanhg-angry-201"].gender == "F"


def test_fuller_edition(tmp_path: Path) -> None:
    for i, layout in enumerate(("{set}/{speaker}/{emotion}", "{speaker}/{set}/{emotion}", "{speaker}/{emotion}/{set}")):
        root = tmp_path / str(i)
        for speaker, text_set in (("Chang.Liu", "相同文本300"), ("Zhe.Wang", "不同文本100")):
            touch(root, layout.format(set=text_set, speaker=speaker, emotion="normal") + "/201.wav")
        assert Reader().find_root(root) == root
        same, own = read(root)["liuchanhg-normal-201"], read(root)["wangzhe-normal-d201"]
        assert (same.gender, same.raw.get("emotion"), same.sentence) == ("F", "normal", "201")
        assert (own.gender, own.sentence) == ("M", "wangzhe-normal-d201")


def test_tables(corpus: Path, tmp_path: Path) -> None:
    (corpus / "transcripts.txt").write_text("\ufeff201\t你好\n\nwangzhe-angry-201\t再见\n", encoding="utf-8")
    (corpus / "speakers.tsv").write_text("wangzhe\tF\n")
    (corpus / "intensities.tsv").write_text("wangzhe-angry-201\tstrong\n")
    utterances = read(corpus)
    assert [utterances[f"wangzhe-{k}"].text for k in ("angry-201", "fear-201", "fear-202")] == ["再见", "你好", None]
    assert utterances["wangzhe-fear-201"].gender == "F"
    assert utterances["wangzhe-angry-201"].raw["intensity"] == "strong"
    # A file that is named goes before the one at the root.
    other = tmp_path / "other.txt"
    other.write_text("202\t早上好\n", encoding="utf-8")
    assert read(corpus, transcripts=str(other))["wangzhe-angry-201"].text is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("201\t你好\n999\t再见\n".encode(), "999 is neither a sentence"),
        ("201\t你好\n".encode("gb18030"), "not UTF-8"),
        ("201 你好\n".encode(), "line 1: expected id<TAB>text"),
        ("201\t你好\n201\t再见\n".encode(), "lines 1 and 2: 201 is there twice: keep one"),
    ],
)
def test_bad_transcripts(corpus: Path, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "texts"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(corpus, transcripts=str(path))
    with pytest.raises(InputError, match=r"missing\.txt cannot be read"):
        read(corpus, transcripts=str(tmp_path / "missing.txt"))


def test_bad_trees(corpus: Path, tmp_path: Path) -> None:
    touch(corpus, "wangzhe/bored/201.wav")
    with pytest.raises(InputError, match=re.escape("wangzhe/bored: unknown emotion folder")):
        read(corpus)
    (corpus / "wangzhe/bored/201.wav").unlink()
    touch(corpus, "wangzhe/201.wav")
    with pytest.raises(InputError, match="is not at <speaker>/<emotion>"):
        read(corpus)
    (corpus / "wangzhe/201.wav").unlink()
    (corpus / "speakers.tsv").write_text("wangzhe\tmale\n")
    with pytest.raises(InputError, match="gender of wangzhe is male"):
        read(corpus)
    (tmp_path / "empty").mkdir()
    for wrong, message in (("nowhere", "not a folder"), ("casia/wangzhe", "one speaker"), ("empty", "has no")):
        with pytest.raises(InputError, match=message):
            Reader().find_root(tmp_path / wrong)


def test_synth_reads_the_same_tree_and_has_no_options(corpus: Path) -> None:
    synth = get_reader("synth")
    assert synth.options == () and [o.name for o in Reader.options] == ["transcripts"]
    assert [u.id for u in synth.read(corpus, {})] == list(read(corpus))

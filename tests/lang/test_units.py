"""Letters and BPE pieces: from train texts alone, saved with the run, decoded with what was saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_experiment import make_experiment

from seq.conf import LangConf
from seq.decode.choice import read_records
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.lang.lexicon import prepare_lang
from seq.lang.tokens import TokenTable
from seq.lang.units import normalise_text, open_lang
from seq.train.experiment import Experiment
from seq.train.run import train_run
from seq.utils.files import read_jsonl, write_jsonl, write_text

TEXTS = {"a": "KIDS ARE TALKING BY THE DOOR", "b": "DOGS ARE SITTING BY THE DOOR", "c": "QUIZ"}


def lang_dir(folder: Path, unit: str) -> Path:
    write_text(folder / "text", "".join(f"{key} {text}\n" for key, text in TEXTS.items()))
    write_text(folder / "unit", f"{unit}\n")
    return folder


def test_normalised_text() -> None:
    assert normalise_text("It’s “eleven” o'clock — 'no', Zoë!") == ["IT'S", "ELEVEN", "O'CLOCK", "NO", "ZOË"]
    assert normalise_text("你好，吗？") == ["你好", "吗"]
    assert normalise_text("Größe 3") == ["GRÖSSE", "3"] and normalise_text("?!") == []


def test_letters_of_the_train_part(tmp_path: Path) -> None:
    lang = open_lang(LangConf(unit="char"), lang_dir(tmp_path, "word"), ["a", "b"])
    assert lang.tokens.symbols[:2] == ("<blk>", "<unk>") and "Q" not in lang.tokens.symbols
    assert lang.transcripts["a"][:6] == ["K", "I", "D", "S", "▁", "A"]
    assert lang.tokens.decode(lang.tokens.encode(lang.transcripts["c"])) == ["<unk>", "<unk>", "I", "<unk>"]


def test_bpe_of_the_train_part(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    conf = LangConf(unit="bpe", vocab_size=40)
    lang = open_lang(conf, lang_dir(tmp_path, "word"), ["a", "b"])
    assert lang.tokens.symbols[:3] == ("<blk>", "<sos/eos>", "<unk>") and len(lang.tokens) == 40
    assert "".join(lang.transcripts["a"]).replace("▁", " ").strip() == TEXTS["a"]
    assert len(lang.transcripts["a"]) < len(TEXTS["a"]) and "<unk>" not in lang.transcripts["a"]
    assert not any("Q" in piece for piece in lang.tokens.symbols)
    assert 2 in lang.tokens.encode(lang.transcripts["c"])
    lang.save(tmp_path / "run")
    again = open_lang(conf, tmp_path, [], run_dir=tmp_path / "run")
    assert again.transcripts == lang.transcripts and (tmp_path / "run" / "bpe.model").read_bytes() == lang.bpe
    assert TokenTable.read(tmp_path / "run" / "tokens.txt").symbols == lang.tokens.symbols
    assert open_lang(conf, tmp_path, ["a", "b"]).bpe == lang.bpe


@pytest.mark.parametrize(
    ("unit", "made_of", "size", "train", "message"),
    [
        ("bpe", "word", 500, ["a", "b"], r"vocab_size is 500, but the train text allows \d+ pieces at most"),
        ("bpe", "word", 5, ["a", "b"], r"vocab_size is 5, but the letters of the train text need \d+"),
        ("bpe", "word", 40, [], "no train utterance has text"),
        ("bpe", "phone", 40, ["a"], r"lang.unit is bpe, but .* holds phones: run stage 4"),
        ("phone", "word", 40, ["a"], r"lang.unit is phone, but .* holds words: run stage 4"),
    ],
)
def test_what_cannot_be_spelt(
    tmp_path: Path, unit: str, made_of: str, size: int, train: list[str], message: str
) -> None:
    pytest.importorskip("sentencepiece")
    with pytest.raises(InputError, match=message):
        open_lang(LangConf(unit=unit, vocab_size=size), lang_dir(tmp_path, made_of), train)  # type: ignore[arg-type]


def test_stage_4_needs_no_g2p_for_letters(tmp_path: Path) -> None:
    row = {"id": "u", "supervisions": [{"id": "u", "text": "Der Lappen.", "language": "fr"}]}
    write_jsonl(tmp_path / "cuts.jsonl.gz", [row])
    assert prepare_lang(tmp_path / "cuts.jsonl.gz", tmp_path, "char") == 1
    assert (tmp_path / "text").read_text() == "u DER LAPPEN\n" and (tmp_path / "unit").read_text() == "word\n"
    assert (tmp_path / "lexicon.txt").read_text() == "<UNK> <unk>\nDER D E R\nLAPPEN L A P P E N\n"
    with pytest.raises(InputError, match="to char or bpe"):
        prepare_lang(tmp_path / "cuts.jsonl.gz", tmp_path)


def test_a_run_spells_in_pieces(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    experiment: Experiment = make_experiment(tmp_path)
    rows = (tmp_path / "lang" / "text").read_text().splitlines()
    write_text(tmp_path / "lang" / "text", "".join(f"{row.split()[0]} DOGS SIT\n" for row in rows))
    write_text(tmp_path / "lang" / "unit", "word\n")
    conf = replace(experiment.conf, lang=LangConf(unit="bpe", vocab_size=14))
    experiment = replace(experiment, conf=conf)
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    row = next(read_jsonl(experiment.run_dir(1, 0) / "predictions.jsonl"))
    assert "".join(row["phone"]["ref"]) == "▁DOGS▁SIT"
    times = row["phone"]["ref_times"]
    assert len(times) == len(row["phone"]["ref"]) and all(start < end for start, end in times)
    assert read_records([experiment.run_dir(1, 0)])[0]["ctc_backend"] in ("torch", "k2")
    (experiment.run_dir(1, 0) / "bpe.model").unlink()
    with pytest.raises(InputError, match=r"bpe.model cannot be read .* run stage 5 again"):
        decode_run(experiment, 1, 0)

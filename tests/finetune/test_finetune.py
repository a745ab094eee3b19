"""`speecheq finetune`: begins with the model's weights, parts speakers, goes on after a kill, says what came of it."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_model import make_model_folder
from own_recordings import SPEAKERS, finetune, make_table, run_of
from safetensors.torch import load_file

from seq.cli import main
from seq.errors import InputError
from seq.finetune.comparison import comparison_table, verdict
from seq.finetune.source import open_source
from seq.lang.lexicon import prepare_known_lang
from seq.lang.transcripts import read_transcripts
from seq.runtime import load_model
from seq.train.checkpoint import checkpoint_path, load_checkpoint
from seq.train.trainer import Trainer
from seq.utils.files import read_json, read_jsonl, sha256, write_jsonl


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Knows neutral, happy and sad, and the phones A, B and C."""
    return make_model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of what the model knows: nobody is happy."""
    return make_table(tmp_path_factory.mktemp("corpus"), ["neutral", "sad"])


@pytest.fixture(scope="module")
def finetuned(model: Path, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "mine"
    assert finetune(model, table, out) == 0
    return out


def test_before_is_what_the_model_says_and_after_is_not(model: Path, finetuned: Path) -> None:
    rows = list(read_jsonl(run_of(finetuned, "before") / "predictions.jsonl"))
    work = finetuned.with_name("mine.work")
    sources = {
        c["id"]: c["recording"]["sources"][0]["source"] for c in read_jsonl(work / "data/manifests/own_cuts.jsonl.gz")
    }
    loaded = load_model(model)
    right = {"neutral": [], "sad": []}
    for row in rows:
        result = loaded.predict_file(sources[row["id"]])
        assert result.emotion.label == row["emotion"]["hyp"] and result.gender.label == row["gender"]["hyp"]
        assert result.intensity.value == pytest.approx(row["intensity"]["value"], abs=1e-3)
        right[row["emotion"]["ref"]].append(result.emotion.label == row["emotion"]["ref"])
    scores = read_json(work / "exp/before/scores.json")["pooled"]
    assert scores["emotion"]["UA"] == pytest.approx(np.mean([np.mean(values) for values in right.values()]))
    expected = load_file(model / "model.safetensors")
    start = load_file(work / "start.safetensors")
    trained = load_file(finetuned / "model.safetensors")
    assert all(torch.equal(start[name], value) for name, value in expected.items())
    assert not torch.equal(trained["heads.emotion.weight"], start["heads.emotion.weight"])
    # Its own normalisation, not that of the new corpus.
    assert torch.equal(trained["front_end.mean"], start["front_end.mean"])
    assert [row["epoch"] for row in read_jsonl(run_of(finetuned) / "history.jsonl")] == [1, 2, 3]


def test_the_new_folder_predicts_and_says_where_it_comes_from(
    model: Path, finetuned: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(finetuned), str(table.parent / "my audio/anna/sad 0.wav")]) == 0
    assert '"happy"' in capsys.readouterr().out
    description = read_json(finetuned / "model.json")
    assert description["tasks"]["emotion"]["labels"] == ["neutral", "happy", "sad"] and description["corpus"] == "own"
    # The table rates from 0 to 3, which is more levels than the model knew.
    assert description["tasks"]["intensity"]["levels"] == [0.0, 1 / 3, 2 / 3, 1.0]
    origin = description["finetuned_from"]
    assert origin["sha256"] == read_json(model / "model.json")["sha256"] and origin["corpus"] == "tiny"
    before = read_json(finetuned.with_name("mine.work") / "exp/before/scores.json")["pooled"]
    assert origin["test"]["emotion"]["UA"] == before["emotion"]["UA"]
    card = (finetuned / "README.md").read_text(encoding="utf-8")
    assert "The model `model` (corpus tiny" in card and "learnt from tiny and then own alone" in card
    assert "| test, before finetuning |" in card
    # What it was trained with goes on to whoever finetunes it again.
    assert open_source(finetuned, []).description["conf"]["train"]["batch_duration"] == 4


def test_speakers_are_parted_and_the_seed_alone_deals_them(finetuned: Path) -> None:
    from seq.conf import conf_from_dict
    from seq.finetune.split import split_speakers

    work = finetuned.with_name("mine.work")
    fold = read_json(work / "data/folds/finetune/fold_1.json")
    speaker_of = {
        c["id"]: c["supervisions"][0]["speaker"] for c in read_jsonl(work / "data/manifests/own_cuts.jsonl.gz")
    }
    parts = {part: {speaker_of[id_] for id_ in fold[part]} for part in ("train", "valid", "test")}
    assert [len(parts[part]) for part in parts] == [3, 1, 1] and set().union(*parts.values()) == set(SPEAKERS)
    conf = conf_from_dict(read_json(work / "exp/finetuned/conf.json"))
    emotions = conf.protocols[0].emotions
    splits = [split_speakers(work / "data/manifests/own_cuts.jsonl.gz", emotions, seed) for seed in range(4)]
    assert splits[0] == conf.protocols[0] and set(splits[0].folds[0].test.speakers) == parts["test"]
    assert len({str(split.folds) for split in splits}) > 1
    # Two women, two men, one of whom nothing is known: train always has both.
    known = [
        {SPEAKERS[s] for s in SPEAKERS if s not in split.folds[0].test.speakers + split.folds[0].valid.speakers}
        for split in splits
    ]
    assert all({"F", "M"} <= genders for genders in known)
    report = (work / "report.md").read_text(encoding="utf-8")
    assert (
        f"test {min(parts['test'])}, valid {min(parts['valid'])}" in report
        and "4 test utterances of 1 speaker" in report
    )


def test_interrupted_and_run_again_it_ends_with_the_same_weights(
    model: Path,
    finetuned: Path,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_epoch = Trainer._run_epoch

    def killed(trainer: Trainer, bar: object) -> object:
        if trainer.progress.epoch == 1:
            raise KeyboardInterrupt
        return run_epoch(trainer, bar)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_run_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            finetune(model, table, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    capsys.readouterr()
    assert finetune(model, table, tmp_path / "mine") == 0
    output = capsys.readouterr()
    assert "up to date" in output.out and "epoch 1/3" not in output.err and "epoch 3/3" in output.err
    first, second = (
        load_checkpoint(checkpoint_path(run_of(out), 3))["model"] for out in (finetuned, tmp_path / "mine")
    )
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert sha256(tmp_path / "mine/model.safetensors") == sha256(finetuned / "model.safetensors")
    # Other weights to start from, or another table, are another run.
    with pytest.raises(InputError, match="holds another model"):
        finetune(finetuned, table, tmp_path / "mine")


def test_new_emotions_extend_the_head_and_keep_the_old_rows(model: Path, tmp_path: Path) -> None:
    table = make_table(tmp_path, ["neutral", "joy", "angry"], ["anna", "bert", "cora"])
    assert finetune(model, table, tmp_path / "out", "--map", "joy=happy", "--seed", "1") == 0
    description = read_json(tmp_path / "out/model.json")
    assert description["tasks"]["emotion"]["labels"] == ["neutral", "happy", "sad", "angry"]
    assert description["finetuned_from"]["new_emotions"] == ["angry"]
    old, start = load_file(model / "model.safetensors"), load_file(tmp_path / "out.work/start.safetensors")
    for name in ("heads.emotion.weight", "heads.emotion.bias"):
        assert torch.equal(start[name][:3], old[name]) and start[name].shape[0] == 4 and start[name][3].any()
    rows = list(read_jsonl(run_of(tmp_path / "out", "before", seed=1) / "predictions.jsonl"))
    assert {row["emotion"]["ref"] for row in rows} == {"neutral", "happy", "angry"}
    assert all(row["emotion"]["probs"]["angry"] == 0.0 for row in rows)
    assert set(load_model(tmp_path / "out").predict_file(tmp_path / "my audio/anna/joy 0.wav").emotion.probs) == {
        "neutral",
        "happy",
        "sad",
        "angry",
    }


def test_texts_are_used_where_the_models_symbols_spell_them(tmp_path: Path) -> None:
    texts = {"a": "你好", "b": "再见", "c": None, "d": "123 @"}
    cuts = [{"id": key, "supervisions": [{"text": text, "language": "zh"}]} for key, text in texts.items()]
    write_jsonl(tmp_path / "cuts.jsonl.gz", cuts)
    phones = ["<blk>", "SPN", "ao3", "h", "i3", "n"]
    assert prepare_known_lang(tmp_path / "cuts.jsonl.gz", tmp_path / "lang", "phone", phones)[:2] == (1, 2)
    assert read_transcripts(tmp_path / "lang") == {"a": ["n", "i3", "h", "ao3"]}
    spelt, others, reason = prepare_known_lang(tmp_path / "cuts.jsonl.gz", tmp_path / "lang", "bpe", phones)
    assert (
        (spelt, others) == (0, 3) and reason.startswith("utterance a: ") and read_transcripts(tmp_path / "lang") == {}
    )


def scores(accuracy: dict[str, float], errors: float) -> dict[str, object]:
    """scores.json of two tasks; every speaker counts the same."""
    mean = sum(accuracy.values()) / len(accuracy)
    common = {"n": 60, "num_speakers": len(accuracy)}
    emotion = {**common, "UA": mean, "UA_ci95": [0.1, 0.9], "WA": 0.5, "WA_ci95": None, "macro_f1": None}
    emotion["speakers"] = {name: {"UA": value} for name, value in accuracy.items()}
    phone = {**common, "PER": errors, "PER_ci95": None, "speakers": {name: {"PER": errors} for name in accuracy}}
    return {"unit": "phone", "tasks": ["emotion", "phone"], "pooled": {"emotion": emotion, "phone": phone}, "folds": []}


def test_a_loss_is_called_a_loss() -> None:
    names = [f"s{i}" for i in range(6)]
    low = scores(dict.fromkeys(names, 0.25), errors=0.5)
    high = scores(dict.fromkeys(names, 0.75), errors=0.625)
    # Six speakers, all better by the same: 2 of 2^6 sign patterns are as extreme.
    better, worse = verdict(low, high), verdict(high, low)
    assert better == (
        "Better after finetuning: UA on test went from 25.00 to 75.00 %; paired test over speakers: p = 0.0312 (n=6). "
        "Worse: PER (50.00 to 62.50)."
    )
    assert worse == (
        "WORSE after finetuning: UA on test went from 75.00 to 25.00 %; keep the model that you had; "
        "paired test over speakers: p = 0.0312 (n=6)."
    )
    assert verdict(low, low).startswith("No better after finetuning: UA on test is 25.00 % as before; paired")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in comparison_table(high, low).splitlines()]
    assert lines[0] == ["test", "UA %", "WA %", "PER %"] and lines[2] == ["before", "75.00", "50.00", "62.50"]
    assert lines[3] == ["95 % interval", "[10.00, 90.00]", "–", "–"]
    assert lines[6] == ["difference", "-50.00", "+0.00", "-12.50"]
    assert lines[7:] == [["utterances", "60", "60", "60"], ["speakers", "6", "6", "6"]]


def test_bad_input_is_one_sentence_and_writes_nothing(model: Path, table: Path, tmp_path: Path) -> None:
    def fails(message: str, content: str | None = None, *options: str, start: Path = model, out: str = "out") -> None:
        own = tmp_path / "bad.csv"
        if content is not None:
            own.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=message):
            finetune(start, own if content is not None else table, tmp_path / out, *options)

    head = "path,speaker,emotion\n"
    fails("lacks the column speaker", "path,emotion\na.wav,sad\n")
    fails("has no rows", head)
    fails(r"has the emotion 'joy': write one of neutral, .* --map joy=CATEGORY", f"{head}a.wav,s,joy\n")
    fails("--map joy=glad: glad is no category", f"{head}a.wav,s,joy\n", "--map", "joy=glad")
    fails("--map joy: write it as WORD=CATEGORY", None, "--map", "joy")
    fails("has 2 speakers with labelled emotions", f"{head}a.wav,s,sad\nb.wav,t,sad\nc.wav,u,\n")
    fails("--set model.channels=8: finetuning keeps the network", None, "--set", "model.channels=8")
    fails(r"corpus\.name, '\.\./x', has a slash", None, "--set", "corpus.name=../x")
    fails("train.num_epoch", None, "--set", "train.num_epoch=8")
    fails(r"the conf of .*model.*: train\.num_epochs is 0: it must be", None, "--set", "train.num_epochs=0")
    fails(r"augment\.frequency_mask_bins is 99", None, "--set", "augment.frequency_mask_bins=99")
    fails(f"--seed {10**30}: a number from 0 to 999999999", None, "--seed", str(10**30))
    fails("not a model folder", None, start=tmp_path / "none")
    altered = Path(shutil.copytree(model, tmp_path / "altered"))
    with open(altered / "model.safetensors", "ab") as file:
        file.write(b"x")
    fails("model.safetensors was altered", None, start=altered)
    (tmp_path / "file").write_text("")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/thesis.tex").write_text("dear")
    fails("file is a file", None, out="file")
    fails("thesis holds other things than a model", None, out="thesis")
    fails("--work .*thesis holds other things", None, "--work", str(tmp_path / "thesis"))
    with pytest.raises(InputError, match="is the model that is to be finetuned"):
        finetune(model, table, model)
    fails("is in --out", None, "--work", str(tmp_path / "out/work"))
    fails(
        r"bad\.csv, lines 2 and 3: a\.wav is x and y: keep", "id,path,speaker,emotion\nx,a.wav,s,sad\ny,a.wav,t,sad\n"
    )
    scored = "path,speaker,emotion,intensity\na.wav,s,neutral,nan\nb.wav,t,sad,\nc.wav,u,sad,\n"
    fails("a has the intensity nan, outside the scale from 0 to 3", scored)
    fails("lines 2 and 3: speaker s has the gender F and M", "path,speaker,emotion,gender\na,s,sad,F\nb,s,sad,M\n")
    fails("has the column speaker twice", "path,speaker,emotion,speaker\na.wav,s,sad,t\n")
    fails("is longer than the system allows: rename", f"id,path,speaker,emotion\nx,{'a' * 300}.wav,s,sad\n")
    with pytest.raises(InputError, match=r"'.*\\udce9\.csv' is not UTF-8: rename"):
        finetune(model, Path(shutil.copy(table, tmp_path / "caf\udce9.csv")), tmp_path / "out")
    with pytest.raises(InputError, match=r"nothing\.csv is not a file"):
        finetune(model, tmp_path / "nothing.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.work").exists()


def test_a_recording_of_two_speakers_is_not_in_train_and_test(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever tests, one of the two others trains or validates, and says the same."""
    table = make_table(tmp_path, ["sad"], ["anna", "bert", "cora"])
    for speaker in ("bert", "cora"):
        shutil.copy(tmp_path / "my audio/anna/sad 0.wav", tmp_path / f"my audio/{speaker}/sad 0.wav")
    with pytest.raises(
        InputError, match=r"^fold 1: .*_sad_0 in test is the same recording as .*_sad_0 in (train|valid)"
    ):
        finetune(model, table, tmp_path / "out")
    assert "warning: own: 2 utterances are copies of others, sample for sample, such as" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bad_audio_is_named_file_by_file_and_too_little_is_too_little(model: Path, tmp_path: Path) -> None:
    table = make_table(tmp_path, ["sad"], ["anna", "bert", "cora"])
    (tmp_path / "my audio/anna/sad 0.wav").unlink()
    (tmp_path / "my audio/bert/sad 1.wav").write_bytes(b"not audio at all")
    command = [sys.executable, "-m", "seq.cli", "finetune", model, "--corpus", table, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: 2 of 6 audio files are bad: ")
    assert "sad 0.wav does not exist" in line and "sad 1.wav is not audio" in line
    with pytest.raises(InputError, match="fold 1 has 2 utterances to train on; 6 are the least"):
        finetune(model, make_table(tmp_path, ["sad"], ["anna", "bert", "cora"]), tmp_path / "out")


def with_splits(table: Path, splits: dict[str, str], column: str = "split") -> Path:
    """The same table, beside it, with a column: what `splits` says of the speaker, or of the speaker and a take."""
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    parts = [splits.get(f"{row[2]} {row[1][-5]}", splits.get(row[2], "")) for row in rows[1:]]
    own = table.with_name("split.csv")
    with open(own, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [[*rows[0], column], *([*row, part] for row, part in zip(rows[1:], parts, strict=True))]
        )
    return own


def test_the_split_of_the_table_is_taken_and_what_it_shares_is_said(
    model: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Cora is in test with one take, and in train with the other.
    splits = {"anna": "train", "bert": "train", "cora 0": "train", "cora 1": "test", "dirk": "valid", "eva": "test"}
    assert finetune(model, with_splits(table, splits), tmp_path / "out") == 0
    output = capsys.readouterr()
    assert "1 of 2 speakers of test are in train or valid, too: cora; the scores do not hold for new" in output.err
    assert "(cora, eva), SOME OF WHOM ARE IN TRAIN OR VALID, TOO:" in output.out and "SPEAKER-DEPENDENT" in output.out
    assert "test shares with train 50.00 % of its speakers" in output.out
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "**speakers of train are in test**" in card and "test shares with train 50.00 % of its speakers" in card
    fold = read_json(tmp_path / "out.work/data/folds/finetune/fold_1.json")
    assert {part: len(fold[part]) for part in ("train", "valid", "test")} == {"train": 10, "valid": 4, "test": 6}
    for splits, column, said in (
        ({"anna": "train", "bert": "test"}, "split", "anna_.* has the split train, and nobody .* has valid: mark some"),
        ({"anna": "1", "bert": "2"}, "fold", "has a fold, and finetuning trains once: name the column split"),
    ):
        with pytest.raises(InputError, match=said):
            finetune(model, with_splits(table, splits, column), tmp_path / "none")

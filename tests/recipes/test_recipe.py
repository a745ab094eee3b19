"""The recipes as their users run them: all stages on miniatures, twice, killed, changed, and without a corpus.

A copy of the tree is used, so that the checkout's own data and experiments are not touched.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recipe_trees import ROOT, SMALL, environment, make_tree, run

from seq.corpora.miniature import write_miniature

# CASIA's speakers; the synthesiser's are two women and two men in turn.
CASIA_SPEAKERS = {"f1": "liuchanhg", "m1": "wangzhe", "f2": "zhaoquanyin", "m2": "ZhaoZuoxiang"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four voices, six emotions, four sentences: 96 utterances."""
    folder = tmp_path_factory.mktemp("corpus") / "synth"
    subprocess.run(
        [sys.executable, str(ROOT / "tools" / "synth_corpus.py"), "--out", str(folder), "--sentences", "4"], check=True
    )
    return folder


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> tuple[Path, list[str]]:
    tree = make_tree(tmp_path_factory.mktemp("tree"))
    emotions = ("angry", "fearful", "happy", "neutral", "sad", "surprised")
    counts = ", ".join(f"{{name: {name}, count: 16}}" for name in emotions)
    sizes = ["corpus.num_utterances=96", f"corpus.emotion_counts=[{counts}]"]
    valid = "{sentences: ['204']}"
    folds = ", ".join(f"{{test: {{speakers: [{speaker}]}}, valid: {valid}}}" for speaker in ("f1", "m1", "f2", "m2"))
    protocol = f"{{name: loso, description: miniature, emotions: [{', '.join(emotions)}], folds: [{folds}]}}"
    return tree, [*sizes, f"protocols=[{protocol}]"]


def test_synth_from_audio_to_table_then_nothing_to_do(synth: tuple[Path, list[str]], corpus: Path) -> None:
    tree, sizes = synth
    first = run(tree, "synth", "--corpus-dir", str(corpus), "--folds", "1,2", sizes=sizes)
    assert first.returncode == 0, first.stdout + first.stderr
    exp = tree / "egs/synth/exp/small_loso"
    scores = json.loads((exp / "scores.json").read_text())
    assert [fold["fold"] for fold in scores["folds"]] == [1, 2] and scores["seeds"] == [0]
    pooled = scores["pooled"]
    assert set(pooled["emotion"]) >= {"UA", "WA", "macro_f1", "UA_ci95", "recall"}
    assert set(pooled["intensity"]) >= {"UA", "MAE", "spearman"} and "accuracy" in pooled["gender"]
    assert pooled["emotion"]["n"] == 48 and pooled["phone"]["PER"] > 0
    assert "run.sh" in scores["command"] and scores["ctc_backend"]
    assert list((exp / "figures").glob("*.png")) and "| " in (exp / "report.md").read_text()
    assert "UA" in first.stdout

    started = time.monotonic()
    second = run(tree, "synth", "--corpus-dir", str(corpus), "--folds", "1,2", sizes=sizes)
    assert second.returncode == 0 and second.stdout.count("up to date") >= 9
    assert time.monotonic() - started < 10

    # Another fold is added: only it is trained. Another learning rate: both are trained again, and the reason is told.
    best = exp / "fold_1/seed_0/best"
    before = best.stat().st_mtime_ns
    third = run(tree, "synth", "--corpus-dir", str(corpus), "--folds", "1,2,3", sizes=sizes)
    assert third.returncode == 0 and best.stat().st_mtime_ns == before
    changed = run(
        tree,
        "synth",
        "--corpus-dir",
        str(corpus),
        "--folds",
        "1",
        "--stop-stage",
        "5",
        sizes=[*sizes, "train.learning_rate=0.0005"],
    )
    assert changed.returncode == 0 and "train.learning_rate" in changed.stdout
    assert list((exp / "fold_1").glob("seed_0.replaced-*"))


def test_a_runner_killed_in_training_goes_on(synth: tuple[Path, list[str]], corpus: Path) -> None:
    tree, sizes = synth
    sizes = [*sizes, "train.num_epochs=8"]
    options = ["--corpus-dir", str(corpus), "--folds", "1", "--stop-stage", "5"]
    straight = run(tree, "synth", *options, "--exp-name", "straight", sizes=sizes)
    assert straight.returncode == 0, straight.stderr
    settings = [part for setting in [*SMALL, *sizes] for part in ("--set", setting)]
    command = [str(tree / "egs/synth/run.sh"), *options, "--exp-name", "killed", *settings]
    killed = tree / "egs/synth/exp/killed/fold_1/seed_0"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    while not (killed / "last").exists() and process.poll() is None:
        time.sleep(0.01)
    # The runner alone: its stage has to notice by itself.
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert int((killed / "last").read_text()) < 8
    again = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert again.returncode == 0, again.stderr
    import torch

    states = [
        torch.load(tree / f"egs/synth/exp/{name}/fold_1/seed_0/epoch-8.pt", weights_only=True)
        for name in ("straight", "killed")
    ]
    for name, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][name]), name


def test_casia_reads_its_own_tree(synth: tuple[Path, list[str]], corpus: Path, tmp_path: Path) -> None:
    tree, _ = synth
    missing = run(tree, "casia", "--model", "scratch", "--stage", "0")
    assert missing.returncode == 2 and "--corpus-dir" in missing.stderr and "201.wav" in missing.stdout + missing.stderr
    for name, speaker in CASIA_SPEAKERS.items():
        shutil.copytree(corpus / name, tmp_path / "casia" / speaker)
    counts = ", ".join(
        f"{{name: {e}, count: 16}}" for e in ("angry", "fearful", "happy", "neutral", "sad", "surprised")
    )
    folds = ", ".join(
        f"{{test: {{speakers: [{s.lower()}]}}, valid: {{sentences: ['203']}}}}" for s in CASIA_SPEAKERS.values()
    )
    emotions = "[angry, fearful, happy, neutral, sad, surprised]"
    sizes = [
        "corpus.num_utterances=96",
        f"corpus.emotion_counts=[{counts}]",
        f"protocols=[{{name: loso, description: miniature, emotions: {emotions}, folds: [{folds}]}}]",
    ]
    options = ["--corpus-dir", str(tmp_path / "casia"), "--model", "scratch", "--folds", "1"]
    done = run(tree, "casia", *options, sizes=sizes)
    assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads((tree / "egs/casia/exp/scratch_loso/scores.json").read_text())
    # CASIA has neither intensities nor, without --transcripts, text: these tasks are masked, and scored on nobody.
    assert scores["pooled"]["emotion"]["n"] == 24
    assert scores["pooled"].get("intensity", {"n": 0})["n"] == 0 and scores["pooled"].get("phone", {"n": 0})["n"] == 0


def test_a_partial_copy_goes_on_and_every_table_says_so(tmp_path: Path) -> None:
    tree, mini = make_tree(tmp_path / "tree"), tmp_path / "mini"
    recipe = tree / "egs/ravdess"
    write_miniature("ravdess", mini, recipe / "conf/default.yaml")
    # Actor 05 is a valid speaker of fold 1, the only one of fold 3, and the only test speaker of fold 4.
    shutil.rmtree(mini / "Actor_05")
    options = ["--corpus-dir", str(mini), "--conf", str(mini / "miniature.yaml"), "--model", "scratch"]
    options += ["--tasks", "emotion", "--nj", "1"]
    sizes = ["train.num_epochs=1"]
    told = "48 utterances of 6 speakers, but a complete ravdess has 56 of 7"
    refused = run(tree, "ravdess", *options, sizes=sizes)
    assert refused.returncode == 2 and told in refused.stderr and "--allow-partial" in refused.stderr
    done = run(tree, "ravdess", *options, "--allow-partial", sizes=sizes)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"partial: {told}" in done.stderr and "the folds go without the speakers 05" in done.stdout
    assert "fold 3 is skipped: no utterance is left in valid" in done.stdout
    report = (recipe / "exp/miniature_scratch_emobox_emotion/report.md").read_text()
    assert "- folds 1, 2 of 4; seeds 0" in report and "\n| fold 2 " in report and "\n| fold 3 " not in report
    for part in (
        told,
        "without the speakers 05",
        "fold 3 is skipped",
        "fold 4 is skipped: no utterance is left in test",
    ):
        assert part in report.split("- corpus ravdess")[0], part
    # Without the option, no later run takes it for a complete copy; that costs nothing that was computed.
    for more in ([], ["--stage", "7"]):
        silent = run(tree, "ravdess", *options, *more, sizes=sizes)
        assert silent.returncode == 2 and "this copy of ravdess is partial" in silent.stderr
        assert len(silent.stderr.strip().splitlines()) == 1
    again = run(tree, "ravdess", *options, "--allow-partial", sizes=sizes)
    assert again.returncode == 0 and again.stdout.count("up to date") == 9
    skipped = run(tree, "ravdess", *options, "--allow-partial", "--folds", "3", sizes=sizes)
    assert skipped.returncode == 2 and "fold 3 is skipped (no utterance is left in valid)" in skipped.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corpus-dir", "/nonexistent"], "/nonexistent"),
        (["--colour", "red"], "--colour"),
        (["--set", "train.epochs=3"], "epochs"),
        (["--set", "train.num_epochs=many"], "num_epochs"),
        (["--protocol", "nope"], "nope"),
        (["--tasks", "emotion,mood"], "mood"),
        (["--folds", "9"], "9"),
    ],
)
def test_wrong_options_are_one_sentence(synth: tuple[Path, list[str]], options: list[str], message: str) -> None:
    tree, _ = synth
    result = subprocess.run(
        [str(tree / "egs/ravdess/run.sh"), "--model", "scratch", *options],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert result.returncode == 2
    assert message in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_an_exp_folder_that_is_a_file_is_named(synth: tuple[Path, list[str]], corpus: Path) -> None:
    tree, sizes = synth
    (tree / "egs/synth/exp").mkdir(exist_ok=True)
    (tree / "egs/synth/exp/taken").write_text("not a folder")
    result = run(tree, "synth", "--corpus-dir", str(corpus), "--exp-name", "taken", "--folds", "1", sizes=sizes)
    assert result.returncode == 2 and "taken" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_exp_folder_is_named(synth: tuple[Path, list[str]], corpus: Path) -> None:
    tree, sizes = synth
    exp = tree / "egs/synth/exp"
    exp.mkdir(exist_ok=True)
    exp.chmod(0o555)
    try:
        result = run(tree, "synth", "--corpus-dir", str(corpus), "--exp-name", "locked", "--folds", "1", sizes=sizes)
    finally:
        exp.chmod(0o755)
    assert result.returncode == 2 and "locked" in result.stderr and "Traceback" not in result.stderr

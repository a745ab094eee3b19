"""The stage runner: what is skipped, what runs again and why, and what it says to wrong options.

It is tested in a copy of the tree whose stage scripts are stubs (tests/helpers/toy_recipe.py).
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from toy_recipe import CONF, READER, ROOT, Toy

from seq.conf import ModelConf, read_conf
from seq.recipe.options import parse_options
from seq.recipe.plan import Plan
from seq.recipe.siblings import Sibling
from seq.recipe.stages import STAGES, Call
from seq.recipe.stamps import conf_values
from seq.utils.files import read_json
from seq.utils.typed_yaml import select


def test_second_run_skips_every_stage_and_prints_the_table(toy: Toy) -> None:
    started = time.monotonic()
    output = toy.run()
    assert time.monotonic() - started < 10
    assert output.count("up to date") == 9
    assert "| 62 |" in output
    assert "more" not in output
    assert toy.calls() == []


def test_conf_change_reruns_what_reads_it_and_what_follows(toy: Toy) -> None:
    toy.conf.write_text(toy.conf.read_text() + "lang: {unit: phone}\nmodel: {channels: 64}\n")
    output = toy.run()
    # lang.unit only repeats the default.
    assert "stage 4 lang: up to date" in output
    assert f"stage 5 train: fold 1 seed 0: conf model.channels changed ({ModelConf().channels} -> 64)" in output
    assert toy.names() == ["train_model", "decode_model", "score_predictions", "report_scores"]


def test_set_counts_as_conf(toy: Toy) -> None:
    output = toy.run("--set", "features.trim=false", "--stop-stage=0")
    assert "stage 0 corpus: conf features.trim changed (true -> false)" in output


def test_what_training_alone_reads_reruns_training_and_no_features(toy: Toy) -> None:
    output = toy.run("--set", "augment.on_the_fly=true", "--stop-stage", "5")
    assert "stage 2 features: up to date" in output and "conf augment.on_the_fly changed (false -> true)" in output
    assert toy.names() == ["train_model"]


def test_soft_labels_are_asked_by_training_alone(toy: Toy) -> None:
    toy.run("--set", "corpus.soft_labels=true")
    assert toy.names() == ["train_model", "decode_model", "score_predictions", "report_scores"]


def test_an_empty_section_is_as_none(toy: Toy) -> None:
    (toy.root / "local/conf/scratch.yaml").write_text("# Nothing differs.\naugment:\n")
    toy.conf.write_text(toy.conf.read_text() + "decode:\n  # sharing: 1\n")
    assert toy.run().count("up to date") == 9


def test_bookkeeping_reruns_nothing(toy: Toy) -> None:
    settings = ("save_every_batches=5", "keep_last_k=2", "keep_all_epochs=true")
    output = toy.run(*(f"--set=train.{setting}" for setting in settings))
    assert output.count("up to date") == 9 and toy.calls() == []


def test_every_stage_reads_keys_that_there_are(toy: Toy) -> None:
    values = conf_values(read_conf(toy.conf, []), "two")
    for name, stage in STAGES.items():
        for key in (*stage.reads, *stage.ignores):
            assert select(values, [key]), f"{name} reads {key}, which the conf does not have"


def test_model_is_chosen_passed_on_and_names_the_experiment(toy: Toy) -> None:
    toy.run("--model", "small", "--stop-stage", "5")
    (name, trained), *others = toy.calls()
    assert name == "train_model" and not others
    assert (trained["--model"], trained["--exp-dir"]) == ("small", "exp/small_two")
    # The conf may name it, and then a conf of another name is part of the experiment's.
    mine = toy.recipe / "conf/mine.yaml"
    mine.write_text("model_name: small\n" + toy.conf.read_text())
    toy.run("--conf", str(mine), "--stop-stage", "5")
    trained = dict(toy.calls())["train_model"]
    assert "--model" not in trained and trained["--exp-dir"] == "exp/mine_small_two"
    toy.run("--conf", str(mine), "--model", "scratch", "--stop-stage", "5")
    assert dict(toy.calls())["train_model"]["--exp-dir"] == "exp/mine_scratch_two"


def test_who_works_is_passed_on_and_reruns_nothing(toy: Toy) -> None:
    assert toy.run("--nj", "3", "--cluster", "tcp://host:8786", "--gpus", "1").count("up to date") == 9
    (toy.root / "cluster.json").touch()
    for given, passed in (("cluster.json", str(toy.root / "cluster.json")), ("local:2", "local:2")):
        toy.run("--cluster", given, "--force", "--stop-stage", "6")
        told = {name for name, options in toy.calls() if options.get("--cluster") == passed}
        assert told == {"prepare_corpus", "compute_features", "train_model", "decode_model"}
    toy.run("--gpus", "2", "--force", "--stop-stage", "6")
    assert [name for name, options in toy.calls() if options.get("--gpus") == "2"] == ["train_model"]
    assert "leave one of them out" in toy.run("--gpus", "2", "--cluster", "local:2", code=2)
    assert "--cluster local:x: it must be local:N" in toy.run("--cluster", "local:x", code=2)


def test_a_model_file_reruns_what_reads_it(toy: Toy) -> None:
    (toy.root / "local/conf/scratch.yaml").write_text("model: {channels: 64}\n")
    output = toy.run("--stop-stage", "5")
    assert output.count("up to date") == 5
    assert f"fold 2 seed 0: conf model.channels changed ({ModelConf().channels} -> 64)" in output


def test_a_model_file_holds_a_model_alone(toy: Toy) -> None:
    (toy.root / "local/conf/wide.yaml").write_text("corpus: {name: toy}\n")
    message = toy.run("--model", "wide", code=2)
    assert "local/conf/wide.yaml has the section corpus" in message and message.count("\n") == 1


def test_reader_options_are_those_of_the_conf_that_is_named(toy: Toy) -> None:
    reader = READER.replace('name = "toy"', 'name = "other"').replace('"transcripts"', '"ratings"')
    (toy.root / "seq/corpora/other.py").write_text(reader)
    other = toy.recipe / "conf/other.yaml"
    other.write_text(CONF.replace("reader: toy", "reader: other"))
    for conf in (f"--conf={other}", "--conf=egs/toy/conf/other.yaml"):
        assert "--ratings VALUE" in toy.run(conf, "--help")
        assert "unknown option --transcripts" in toy.run(conf, "--transcripts", "text.txt", code=2)
    toy.run("--conf", str(other), "--ratings", "text.txt", "--stop-stage", "0")
    assert dict(toy.calls())["prepare_corpus"]["--ratings"] == str(toy.root / "text.txt")
    assert "unknown option --ratings" in toy.run("--ratings", "text.txt", code=2)


def test_a_reader_that_cannot_be_imported_is_named(toy: Toy) -> None:
    reader = toy.root / "seq/corpora/toy.py"
    reader.write_text("import not_installed\n" + READER)
    for options in ((), ("--help",), ("--transcripts", "text.txt")):
        message = toy.run(*options, code=2)
        assert "cannot be imported (No module named 'not_installed')" in message and message.count("\n") == 1
    toy.conf.write_text(CONF.replace("reader: toy", "reader: none"))
    assert "there is no reader 'none'" in toy.run(code=2)


def test_changed_corpus_reruns_stage_0(toy: Toy) -> None:
    (toy.corpus / "b.wav").unlink()
    assert f"stage 0 corpus: corpus {toy.corpus} changed (3 -> 2 files)" in toy.run("--stop-stage", "0")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"made_from": 5}', '{"made_from": {"version": 1, "conf": []}}', "[" * 9999],
)
def test_a_damaged_stamp_runs_its_stage_again(toy: Toy, content: str) -> None:
    stamp = toy.recipe / "data/.stages/4_lang.json"
    whole = read_json(stamp)
    stamp.write_text(content)
    output = toy.run("--stop-stage", "4")
    assert "stage 4 lang: its stamp data/.stages/4_lang.json is damaged" in output and toy.names() == ["prepare_lang"]
    assert read_json(stamp) == whole


@pytest.mark.parametrize("content", ["{", "[]", '{"root": 5}', '{"root": "x", "options": [1]}'])
def test_a_damaged_corpus_json_is_named(toy: Toy, content: str) -> None:
    (toy.recipe / "data/corpus.json").write_text(content)
    message = toy.run(code=2)
    assert "data/corpus.json is" in message and "delete it and run" in message and message.count("\n") == 1


def test_changed_input_and_missing_output_are_named(toy: Toy) -> None:
    manifest = toy.recipe / "data/manifests/toy_cuts.jsonl.gz"
    manifest.write_text("longer")
    assert f"stage 2 features: input {manifest.relative_to(toy.recipe)} changed (1 -> 6 bytes)" in toy.run()
    (toy.recipe / "data/lang_phone/tokens.txt").unlink()
    assert "stage 4 lang: output data/lang_phone/tokens.txt is missing" in toy.run()


def test_new_version_of_a_stage_reruns_it(toy: Toy) -> None:
    code = toy.root / "seq/recipe/stages.py"
    version = STAGES["features"].version
    before, after = f"_features, version={version}", f"_features, version={version + 1}"
    assert code.read_text().count(before) == 1
    code.write_text(code.read_text().replace(before, after))
    assert f"stage 2 features: its code changed (version {version} -> {version + 1})" in toy.run("--stop-stage", "2")


def test_units_are_stamped_one_by_one(toy: Toy) -> None:
    output = toy.run("--seeds", "0,1", "--folds", "2")
    assert "fold 2 seed 1: not done yet" in output
    trained = [args for name, args in toy.calls() if name == "train_model"]
    assert [(args["--folds"], args["--seeds"]) for args in trained] == [("2", "1")]
    (toy.recipe / "exp/scratch_two/fold_1/seed_0/best").unlink()
    toy.run("--seeds", "0,1")
    trained = [args for name, args in toy.calls() if name == "train_model"]
    assert [(args["--folds"], args["--seeds"]) for args in trained] == [("1", "0,1")]


def test_the_folds_of_a_table_are_counted_by_stage_3(toy: Toy) -> None:
    own = "  - {name: own, description: the column fold, emotions: [happy, sad], column: fold}\n"
    toy.conf.write_text(CONF + own)
    toy.calls()
    output = toy.run("--protocol", "own")
    assert (
        "fold 1 seed 0: not done yet" in output and "fold 2 seed 0: not done yet" in output and "fold 3" not in output
    )
    (folds,) = {args["--folds"] for name, args in toy.calls() if name == "train_model"}
    assert folds == "1,2"
    (toy.recipe / "data/folds/own/folds.json").write_text('{"num_folds": 2, "skipped": {}, "absent": {}}')
    assert "has no fold 3; choose from 1, 2" in toy.run("--protocol", "own", "--folds", "3", code=2)


def test_stage_starts_there_unconditionally(toy: Toy) -> None:
    assert "asked for by --stage 3" in toy.run("--stage", "3", "--stop-stage", "4")
    assert toy.names() == ["prepare_folds", "prepare_lang"]
    toy.run("--force", "--stop-stage", "1")
    assert toy.names() == ["prepare_corpus", "prepare_manifests"]


def test_tasks_name_another_experiment(toy: Toy) -> None:
    toy.run("--tasks", "phone,emotion", "--set=train.num_epochs=1")
    trained = dict(toy.calls())["train_model"]
    assert (trained["--tasks"], trained["--exp-dir"]) == ("emotion,phone", "exp/scratch_two_emotion+phone")


def test_reader_option_is_passed_kept_and_watched(toy: Toy) -> None:
    text = toy.root / "text.txt"
    text.write_text("hello")
    toy.run("--transcripts", "text.txt", "--stop-stage", "0")
    assert dict(toy.calls())["prepare_corpus"]["--transcripts"] == str(text)
    assert "stage 0 corpus: up to date" in toy.run("--stop-stage", "0")
    text.write_text("hello again")
    assert f"input {text} changed (5 -> 11 bytes)" in toy.run("--stop-stage", "0")
    assert dict(toy.calls())["prepare_corpus"]["--transcripts"] == str(text)


def test_failed_stage_stops_the_run_and_is_not_done(toy: Toy) -> None:
    (toy.recipe / "fail").touch()
    toy.run("--stage", "2", code=2)
    assert toy.names() == ["compute_features"]
    (toy.recipe / "fail").unlink()
    assert "stage 2 features: not finished yet" in toy.run()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signal_reaches_the_stage_and_leaves_no_stamp(toy: Toy, sent: signal.Signals, code: int) -> None:
    runner = toy.start("--stage", "2")
    runner.send_signal(sent)
    assert runner.wait(timeout=20) == code
    assert "stage 2 features: not finished yet" in toy.run()


def test_an_ignored_signal_stays_ignored(toy: Toy) -> None:
    """As nohup has it: the terminal may go."""
    runner = toy.start("--stage", "2", ignored=[signal.SIGHUP])
    runner.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        runner.wait(timeout=1.5)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(timeout=20) == 143


MANY = "protocols=[{name: a, description: d, emotions: [happy], random: {num_folds: 1000000000}}]"


def test_mistyped_conf_value_costs_no_stamp(toy: Toy) -> None:
    assert "num_epochs" in toy.run("--set", "train.num_epochs=many", code=2)
    assert toy.run().count("up to date") == 9


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--bogus"], "--bogus"),
        (["--bogus=1"], "--bogus"),
        (["stage"], "stage"),
        (["--stage"], "--stage needs a value"),
        (["--stage", "--force"], "--stage needs a value"),
        (["--stage", "two"], "--stage two"),
        (["--stage", "9"], "--stage 9"),
        (["--stage", "3", "--stop-stage", "2"], "nothing would run"),
        (["--folds", "3"], "folds 1 to 2"),
        (["--folds", "1,,2"], "--folds"),
        (["--seeds", "x"], "--seeds x"),
        (["--nj", "0"], "--nj 0"),
        (["--device", "tpu"], "--device tpu"),
        (["--tasks", "emotion,age"], "age"),
        (["--protocol", "three"], "has two"),
        (["--model", "huge"], "--model huge: there is no such file in local/conf; choose from mscnn-spu, scratch,"),
        (["--model", "whisper-tiny", "--set", "model.pretrained.name=5"], "model.pretrained.name is 5"),
        (["--exp-name", "../up"], "--exp-name"),
        (["--force=yes"], "--force takes no value"),
        (["--conf", "none.yaml"], "none.yaml"),
        (["--set", "train.epochs=3"], "train.epochs"),
        (["--set", "trian.num_epochs=3"], "trian"),
        (["--set", "nothing"], "nothing"),
        (["--set", "protocols=[{name: 4}]"], "quote a number"),
        (["--set", "protocols=[{name: a, random: 5}]"], "protocols[0].random is 5: it must be a mapping"),
        (["--set", "protocols=[{name: a, description: b, emotions: [happy]}]"], "protocol a of the conf needs a list"),
        (["--set", "protocols=[]"], "--protocol NAME: the conf of toy has none"),
        (["--set", "train=null"], "train is null: it must be a mapping"),
        # Of a stage that is not asked for, or has nothing to do.
        (
            ["--set", "train.num_epochs=1e3", "--stop-stage", "3"],
            "train.num_epochs is '1e3': it must be a whole number",
        ),
        (["--set", "train.keep_last_k=0"], "train.keep_last_k is 0: it must be a whole number from 1"),
        (["--set", "protocols=[{name: a, random: {num_folds: five}}]"], "protocols[0].random.num_folds is 'five'"),
        (["--set", "protocols=[{name: a, folds: 5}]"], "protocols[0].folds is 5: it must be a list"),
        (["--set", MANY], "protocol a has 1000000000 folds, and 100 are the most"),
        (["--set", "corpus.name=../x"], "corpus.name, '../x', has a slash"),
        (["--corpus-dir", "/data/caf\udce9"], "'/data/caf\\udce9' is not UTF-8: rename the file or folder"),
        (["--stage", "6", "--exp-name", "new"], "does not exist: run the stage that writes it first"),
    ],
)
def test_wrong_options_get_one_sentence(toy: Toy, options: list[str], named: str) -> None:
    message = toy.run(*options, code=2)
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert named in message


def test_help_lists_stages_options_and_those_of_the_reader(toy: Toy) -> None:
    output = toy.run("--help")
    for word in (
        "manifests",
        "--model NAME",
        "Models: mscnn-spu, scratch, scratch-mixspeech",
        "--stop-stage",
        "--allow-partial",
        "--transcripts VALUE",
        "file of transcripts",
    ):
        assert word in output


SETUP = """#!/usr/bin/env bash
# Makes an environment that sees the packages of the one that tests.
cd "$(dirname "$0")/.."
echo "$@" >> setup.log
[[ -x .venv/bin/python3 ]] && exit
{python} -m venv --without-pip .venv
echo {packages} > "$(echo .venv/lib/python3*/site-packages)/packages.pth"
"""


def test_an_environment_is_made_when_it_is_needed_and_not_before(toy: Toy) -> None:
    setup, log = toy.root / "tools/setup.sh", toy.root / "setup.log"
    setup.parent.mkdir()
    setup.write_text(SETUP.format(python=sys.executable, packages=sysconfig.get_path("purelib")))
    # A Python with nothing installed.
    bare = toy.root / "bin/python3"
    bare.parent.mkdir()
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    for script in (setup, bare):
        script.chmod(0o755)
    own = ("SPEECHEQ_PYTHON_ENV", "VIRTUAL_ENV", "PYTHONPATH")
    toy.env = {key: value for key, value in os.environ.items() if key not in own}
    toy.env["PATH"] = f"{bare.parent}:/usr/bin:/bin"
    assert "--transcripts VALUE" in toy.run("--help")
    assert "unknown option --bogus" in toy.run("--bogus", code=2)
    assert not log.exists()
    # The runner and its stages go on in the new environment.
    assert toy.run("--force", "--stop-stage", "1").count("done in") == 2
    assert set(log.read_text().split()) == {"--quiet"}
    # A reader that needs a package is no unknown option before that is installed.
    shutil.rmtree(toy.root / ".venv")
    (toy.root / "seq/corpora/toy.py").write_text("import yaml\n" + READER)
    assert "--transcripts VALUE" in toy.run("--help")


def test_joint_scores_follow_the_corpora_s_own(tmp_path: Path) -> None:
    sibling = Sibling("one", tmp_path / "one", "emobox")
    plan = Plan("unified", "joint", [1], [0], ["emotion"], "scratch_joint", [sibling], alone="scratch")
    work = STAGES["score"].work
    assert work is not None
    options = parse_options([], tmp_path, 8, lambda _: [])[0]
    own = sibling.own_scores("scratch")
    assert own == tmp_path / "one/exp/scratch_emobox/scores.json"
    call = Call(plan, options, "run.sh")
    assert own not in work(call).inputs
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    assert own in work(call).inputs


@pytest.mark.parametrize("module", ["seq", "seq.recipe.stages", "seq.recipe.plan", "seq.recipe.runner"])
def test_light_modules_load_nothing_heavy(module: str) -> None:
    heavy = ("torch", "lhotse", "k2", "numpy")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_k2_finder_takes_the_newest_torch_that_fits(tmp_path: Path) -> None:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    system = "macosx_11_0" if sys.platform == "darwin" else "manylinux_2_28"
    names = [
        f"k2-1.24.4.dev{date}+cpu.torch{torch}-{tag}-{tag}-{where}.whl"
        for date, torch, tag, where in [
            ("20250101", "2.9.1", python, f"{system}_{platform.machine()}"),
            ("20250601", "2.10.0", python, f"{system}_{platform.machine()}"),
            ("20250701", "2.10.0", python, f"{system}_{platform.machine()}"),
            ("20250801", "2.13.0", "cp38", f"{system}_{platform.machine()}"),
            ("20250801", "2.13.0", python, "win_amd64"),
            ("20250801", "99.0.0", python, f"{system}_{platform.machine()}"),
        ]
    ]
    page = tmp_path / "cpu.html"
    page.write_text("".join(f'<a href="https://h/{name.replace("+", "%2B")}">{name}</a>' for name in names))
    finder = [sys.executable, ROOT / "tools/find_k2_wheel.py", "--variant", "cpu", "--index"]
    done = subprocess.run([*finder, page.as_uri()], capture_output=True, text=True, check=True)
    torch, index, k2, _ = done.stdout.split()
    assert (torch, k2) == ("torch==2.10.0", "k2==1.24.4.dev20250701+cpu.torch2.10.0")
    assert index.endswith("/cpu")
    away = subprocess.run([*finder, (tmp_path / "none").as_uri()], capture_output=True, text=True)
    assert away.returncode == 2
    assert "nothing was changed" in away.stderr
    assert "Traceback" not in away.stderr

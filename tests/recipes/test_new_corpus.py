"""The walk in CONTRIBUTING.md, to the letter: its commands are run and its files written, in a copy of the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from recipe_trees import ROOT, environment, make_tree

from seq.utils.files import read_json, read_jsonl

BLOCK = re.compile(r"^```(bash|python|yaml)\n(.*?)^```$", re.M | re.S)


def test_the_walk_gives_a_working_recipe(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tree / "tests").mkdir()
    shutil.copytree(ROOT / ".ci", tree / ".ci")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    walk = text[text.index("## Adding a corpus in ten minutes") : text.index("## Adding a task")]
    replaced: list[str] = []
    ran = 0
    for kind, body in BLOCK.findall(walk):
        if kind == "yaml":
            (tree / "egs/parrot/conf/default.yaml").write_text(body, encoding="utf-8")
        elif kind == "python":
            replaced.append(body)
            if len(replaced) == 2:
                reader = tree / "seq/corpora/parrot.py"
                source = reader.read_text(encoding="utf-8")
                assert source.count(replaced[0]) == 1
                reader.write_text(source.replace(*replaced), encoding="utf-8")
        else:
            for command in body.splitlines():
                done = subprocess.run(
                    ["bash", "-c", command], cwd=tree, env=environment(), capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
                ran += 1
    assert ran == 4 and len(replaced) == 2
    recipe = tree / "egs/parrot"
    assert (recipe / "run.sh").read_bytes() == (tree / "egs/synth/run.sh").read_bytes()
    assert len(list(read_jsonl(recipe / "data/fbank/parrot_cuts.jsonl.gz"))) == 96
    assert len(read_json(recipe / "data/folds/loso/fold_1.json")["test"]) == 24
    # The scaffold is whole without any change, too, and is never written over.
    script = str(tree / "tools/new_corpus.sh")
    for name, message in (("parrot", "exists"), ("New-One", "lower-case")):
        done = subprocess.run([script, name], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and message in done.stderr
    subprocess.run([script, "blank"], check=True, capture_output=True)
    command = "tools/test.sh tests/test_blank_corpus.py"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tree, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_task_and_the_network_of_the_guide_are_found_by_their_files(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    guide = text[text.index("## Adding a task") : text.index("## Rules")]
    (_, task), (_, network) = BLOCK.findall(guide)
    (tree / "seq/tasks/style.py").write_text(task, encoding="utf-8")
    (tree / "local/conf/deep.yaml").write_text(network, encoding="utf-8")
    script = tmp_path / "look.py"
    script.write_text(
        "from seq.conf import load_conf\n"
        "from seq.tasks.registry import parse_names\n"
        "print(list(parse_names('style,emotion')))\n"
        "conf = load_conf('egs/synth/conf/default.yaml', model='deep')\n"
        "print(conf.model.encoder, conf.model.num_layers, conf.train.num_epochs)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["bash", "-c", f". ./path.sh && python3 {script}"],
        cwd=tree,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['emotion', 'style']", "tdnn 12 60"]

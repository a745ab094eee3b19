"""local/reproduce_paper.sh: the plan for the corpora at hand, and a miniature from audio to a block of RESULTS.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from seq.conf import load_conf
from seq.corpora.miniature import CONF_NAME, write_miniature
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.studies.paper_plan import estimate, find_corpora
from seq.studies.paper_sections import all_sections
from seq.utils.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
MODEL = "whisper-tiny.en"


@pytest.fixture
def egs(tmp_path: Path) -> Path:
    """Recipes with their confs and no data."""
    for name in ("ravdess", "nemo", "casia", "esd", "iemocap", "synth", "unified"):
        shutil.copytree(ROOT / "egs" / name / "conf", tmp_path / "egs" / name / "conf")
    return tmp_path / "egs"


def test_the_plan_is_what_the_corpora_at_hand_allow(egs: Path, tmp_path: Path) -> None:
    found = find_corpora(egs, MODEL, {"ravdess": tmp_path}, ["nemo"], ["model.pretrained.path=W"])
    assert list(found) == ["ravdess", "synth"]
    # Stage 0 has seen a part of nEMO.
    write_json(egs / "nemo/data/corpus.json", {"partial": True, "num_files": 1792})
    found = find_corpora(egs, MODEL, {"ravdess": tmp_path}, [], ["model.pretrained.path=W"])
    assert list(found) == ["ravdess", "nemo", "synth"]
    conf = load_conf(egs / "unified/conf/default.yaml", [], MODEL)
    scratch = find_corpora(egs, "scratch", {}, ["ravdess"], []).get("ravdess")
    assert scratch is None
    words = ["--set", "model.pretrained.path=W"]
    sections = all_sections(found, scratch, Recipe(egs / "unified", conf, conf.protocol()), words, 2, tmp_path)
    assert [section.name for section in sections] == [
        "ablation",
        "unified",
        "cross-corpus",
        "few-shot",
        "enrolled",
        "systems",
        "published",
    ]
    commands = [str(step) for section in sections for step in section.steps]
    assert any("run_ablation.py --recipe egs/ravdess" in text and "--outer-seeds 0,1,2" in text for text in commands)
    partial = [text for text in commands if ("egs/nemo" in text or "egs/unified" in text) and "few_shot" not in text]
    assert len(partial) > 8 and all("--allow-partial" in text for text in partial)
    assert all("model.pretrained.path=W" in text for text in commands)
    # Emotion and all three times, three rows once, on six folds; nEMO has four rows, nine folds.
    each = 0.01 * 1440 * 15, 0.01 * 1792 * 15
    expected = 6 * (3 + 1 + 1 + 1 + 3) * each[0] + 9 * 4 * each[1]
    assert sum(step.seconds for step in sections[0].steps) == pytest.approx(expected)
    assert f"ablation: 4 commands, about {expected / 60:.0f} minutes" in estimate(sections, 2)
    # What is finished is not counted, and tells how long the rest takes.
    write_json(egs / f"ravdess/exp/{MODEL}_emobox_emotion/fold_1/seed_0/run.json", {"wall_seconds": 100.0})
    assert found["ravdess"].seconds(f"{MODEL}_emobox_emotion", [0, 1, 2]) == pytest.approx(17 * 100.0)
    with pytest.raises(InputError, match="--corpus parrot: there are tables for ravdess, nemo"):
        find_corpora(egs, MODEL, {"parrot": tmp_path}, [], [])


def test_a_licensed_corpus_in_miniature(tmp_path: Path) -> None:
    """CASIA's real layout, its own conf with one fold and one epoch: every row is trained, scored and printed."""
    root = tmp_path / "repository"
    ignored = shutil.ignore_patterns("data", "exp", "results", "__pycache__")
    for name in ("seq", "local", "egs"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    shutil.copy(ROOT / "path.sh", root)
    write_miniature("casia", tmp_path / "casia", ROOT / "egs/casia/conf/default.yaml")
    conf = yaml.safe_load((tmp_path / "casia" / CONF_NAME).read_text(encoding="utf-8"))
    conf["protocols"] = [{**conf["protocols"][0], "folds": conf["protocols"][0]["folds"][:1]}]
    (root / "egs/casia/conf/default.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    (root / "RESULTS.md").write_text("# Results\n", encoding="utf-8")
    command = [str(root / "local/reproduce_paper.sh"), "--corpus", f"casia={tmp_path / 'casia'}", "--model", "small"]
    command += ["--set", "train.num_epochs=1", "--only", "ablation", "--nj", "1"]
    env = {**os.environ, "SPEECHEQ_PYTHON_ENV": os.environ.get("VIRTUAL_ENV", "")}
    done = subprocess.run([*command, "--dry-run"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "corpora at hand: casia, synth" in done.stdout, done.stderr
    assert not (root / "egs/casia/exp").exists()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    results = (root / "RESULTS.md").read_text(encoding="utf-8")
    for row in ("| emotion ", "| + gender ", "| + phone ", "| all (intensity without labels) "):
        assert f"\n{row}" in results, row
    assert "+ intensity: not run, the corpus has no labels" in results and str(tmp_path) not in results
    assert (root / "docs/figures/ablation.png").exists()
    kept = {path.name for path in (root / "egs/casia/results").iterdir()}
    assert kept == {"small_loso", "small_loso_emotion", "small_loso_emotion+gender", "small_loso_emotion+phone"}
    assert read_json(root / "egs/casia/results/small_loso/scores.json")["pooled"]["num_utterances"] == 18

"""Ours beside published figures: what was run, what was not, and the labels that keep the two apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fake_experiment import make_conf, make_experiment

from seq.score.score import score_experiment
from seq.studies.published import NOT_RUN, comparison
from seq.utils.files import write_json

ROOT = Path(__file__).resolve().parents[2]


def line(report: str, start: str) -> str:
    return next(row for row in report.splitlines() if start in row)


def test_what_was_run_stands_beside_what_was_not(tmp_path: Path) -> None:
    paths = make_experiment(tmp_path)
    scores = score_experiment(make_conf(), None, paths["cuts"], paths["folds_dir"], paths["exp_dir"], [1])
    scores["partial"] = True
    write_json(tmp_path / "iemocap/exp/scratch_four/scores.json", scores)
    report = comparison(tmp_path, {}, with_public=False)
    assert "77.47" in line(report, "4 classes; split") and "78.16" in line(report, "4 classes; split")
    ours = line(report, "four: EmoBox")
    assert "100.00" in ours and "1 OF 2 FOLDS" in ours and "INCOMPLETE CORPUS" in ours and NOT_RUN not in ours
    assert NOT_RUN in line(report, "loso:") and NOT_RUN in line(report, "zh:")
    assert "SPEAKER-DEPENDENT" in line(report, "random10:")
    assert "RAVDESS" not in report and "RAVDESS" in comparison(tmp_path, {}, with_public=True)


def test_upper_and_mean_figures_are_called_what_they_are(tmp_path: Path) -> None:
    report = comparison(tmp_path, {}, with_public=True)
    rows = [row for row in report.splitlines() if "| EmoBox, frozen encoder" in row]
    assert len(rows) == 8 and all("every checkpoint scored on test: an upper figure" in row for row in rows)
    columns = [cell.strip() for cell in line(report, "ResLSTM-SA").split("|")[3:7]]
    assert columns == [
        "5 own folds by speaker; settings tuned on test",
        "62.32",
        "–",
        "mean of ten runs, ± 1.19; the best of them: 65.17",
    ]
    strict = [cell.strip() for cell in line(report, "Ab-Romia/RAVDESS-emotion-recognition").split("|")[4:7]]
    assert strict == ["–", "70.30", "± 6.5 over the folds; strict"]


def test_bad_scores(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "local/compare_published.py"), "--out", str(tmp_path / "x.md"), "--scores"]
    for text, message in (("casia:no=x", "casia:loso"), ("casia:loso=none.json", "none.json does not exist")):
        done = subprocess.run([*script, text], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "x.md").exists()

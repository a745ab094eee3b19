"""Figures of stage 8: calibration, reliability, intensity, the map; and the page that holds them all."""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from exported_model import make_run
from fake_experiment import cells, make_scores

from seq.report.figures import calibrated, draw_figures, embeddings, numbers
from seq.report.plots_answers import plot_numbers, plot_reliability, reliability
from seq.report.plots_map import plot_map, project
from seq.report.report import calibration_table, write_report
from seq.tasks.registry import get_task
from seq.utils.files import read_json, read_jsonl, write_jsonl
from seq.utils.run_folder import RunFolder

LABELS = ["neutral", "happy", "sad"]


def overconfident(root: Path) -> dict[str, Path]:
    """A scored experiment in which every answer has 95 % confidence and every fourth is wrong, in both parts."""
    paths = make_scores(root)
    for path in paths["exp_dir"].glob("fold_*/seed_*/*predictions.jsonl"):
        rows = list(read_jsonl(path))
        for i, row in enumerate(rows):
            true = LABELS.index(row["emotion"]["ref"])
            hyp = LABELS[(true + (i % 4 == 0)) % 3]
            row["emotion"] |= {"hyp": hyp, "probs": {label: 0.95 if label == hyp else 0.025 for label in LABELS}}
        write_jsonl(path, rows)
    return paths


def test_temperature_is_fitted_on_valid_of_each_run_and_measured_on_test(tmp_path: Path) -> None:
    paths = overconfident(tmp_path)
    scores = read_json(paths["scores_path"])
    found = calibrated(scores, paths["exp_dir"])
    assert found is not None
    before, after, refs, temperatures, _ = found
    # Valid: 6 answers of each run, of which those at 0 and 4 are wrong: the best confidence is their share of right
    # ones, 2/3, so exp(x) / (exp(x) + 2) = 2/3 for the scaled difference x = ln(38) / T of the logits: x = ln(4).
    assert temperatures == pytest.approx([np.log(38) / np.log(4)] * 2, rel=1e-3)
    assert before.max(axis=1) == pytest.approx(0.95) and after.max(axis=1) == pytest.approx(2 / 3, abs=1e-3)
    assert len(refs) == 24
    # Test: 12 answers of each run, 3 of them wrong.
    table = calibration_table(scores, paths["exp_dir"])
    assert table is not None
    expected = ["24", "20.00", "8.33", "2.62"]
    assert cells(table, "emotion on test; temperature fitted on valid")[1:] == expected
    for path in paths["exp_dir"].glob("fold_1/seed_0/valid_*"):
        path.unlink()
    assert calibrated(scores, paths["exp_dir"])[3] == pytest.approx([temperatures[1]])
    # A system without probabilities leaves them out, or says null as our own baseline does.
    for without in ({}, {"probs": None}):
        path = paths["exp_dir"] / "fold_2" / "seed_0" / "predictions.jsonl"
        write_jsonl(path, [{**row, "emotion": {"ref": "sad", "hyp": "sad", **without}} for row in read_jsonl(path)])
        assert calibration_table(scores, paths["exp_dir"]) is None


def test_the_page_holds_every_figure_and_loads_nothing(tmp_path: Path) -> None:
    paths = overconfident(tmp_path)
    run = paths["exp_dir"] / "fold_1" / "seed_0"
    ids = [row["id"] for row in read_jsonl(run / "predictions.jsonl")]
    vectors = np.random.default_rng(0).normal(size=(len(ids), 4)).astype(np.float32)
    np.savez(run / "embeddings.npz", ids=np.array(ids), embeddings=vectors)
    found = embeddings(RunFolder(run), get_task("emotion"))
    assert found is not None and np.array_equal(found[0], vectors) and found[2][0] == ids[0].split("-")[0]
    drawn = numbers(read_json(paths["scores_path"]), paths["exp_dir"])
    assert list(drawn) == ["intensity"]
    refs, values = drawn["intensity"]
    assert len(refs) == 24 and np.array_equal(refs, values)
    table = write_report(**paths)
    page = paths["out"].with_suffix(".html").read_text(encoding="utf-8")
    images = [base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', page)]
    names = ["confusion_emotion", "confusion_intensity", "reliability", "intensity", "embeddings", "training_curves"]
    assert images == [(paths["exp_dir"] / "figures" / f"{name}.png").read_bytes() for name in names]
    assert not re.search(r'(src|href)="(?!data:)|<script|@import|url\(', page)
    assert "Content-Security-Policy" in page and "<title>fake: x_two</title>" in page
    text = paths["out"].read_text(encoding="utf-8")
    assert all(f"](figures/{name}.png)" in text for name in names) and table in text
    assert page.count("<table>") == text.count("|:-") and "expected calibration error" in page
    # The same scores give the same page.
    shutil.rmtree(paths["exp_dir"] / "figures")
    write_report(**paths)
    assert paths["out"].with_suffix(".html").read_text(encoding="utf-8") == page


def test_stage_6_writes_embeddings_of_the_test_part(tmp_path: Path) -> None:
    experiment = make_run(tmp_path)
    run = experiment.run_dir(1, 0)
    ids = [row["id"] for row in read_jsonl(run / "predictions.jsonl")]
    with np.load(run / "embeddings.npz", allow_pickle=False) as file:
        assert file["ids"].tolist() == ids
        assert file["embeddings"].shape == (len(ids), experiment.conf.model.embedding_dim)
        assert file["embeddings"].dtype == np.float32 and np.ptp(file["embeddings"], axis=0).max() > 0
    assert "embedding" not in next(iter(read_jsonl(run / "predictions.jsonl")))


def test_reliability_bins() -> None:
    probs = np.array([[0.95, 0.05], [0.91, 0.09], [0.4, 0.6], [1.0, 0.0]])
    confidence, accuracy, sizes = reliability(probs, np.array([0, 1, 1, 0]))
    assert confidence == pytest.approx([0.6, (0.95 + 0.91 + 1.0) / 3])
    assert accuracy == pytest.approx([1.0, 2 / 3])
    assert sizes.tolist() == [1, 3]


def test_odd_shapes_are_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    assert project(np.zeros((3, 4))).shape == (3, 2)
    points = project(np.concatenate([rng.normal(size=(20, 8)), rng.normal(size=(20, 8)) + 9]))
    # Two clouds stay two clouds.
    gap = np.linalg.norm(points[:20].mean(axis=0) - points[20:].mean(axis=0))
    assert gap > 2 * max(points[:20].std(), points[20:].std())
    many = {"speaker": [f"{i:03d}" for i in range(40)], "emotion": ["neutral"] * 40}
    plot_map(rng.normal(size=(40, 8)), many, ["neutral"], "forty speakers", tmp_path / "map.png")
    plot_numbers(rng.random(50), rng.random(50), "ratings", tmp_path / "ratings.png", (0.0, 1.0))
    plot_numbers(np.full(3, 2.0), np.full(3, 2.0), "all alike", tmp_path / "alike.png")
    plot_reliability({"one": np.array([[1.0, 0.0]])}, np.array([0]), "one answer", tmp_path / "reliability.png")
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_an_experiment_without_runs_has_its_confusions(tmp_path: Path) -> None:
    paths = make_scores(tmp_path)
    names = [path.stem for _, path in draw_figures(read_json(paths["scores_path"]), tmp_path / "elsewhere")]
    assert names == ["confusion_emotion", "confusion_intensity"]

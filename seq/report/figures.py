"""Which figures an experiment has: gathers what each one shows from its folder and draws it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seq.decode.embeddings import read_embeddings
from seq.score.calibration import apply_temperature, fit_temperature, probabilities
from seq.utils.files import read_jsonl

Scores = dict[str, Any]
Row = dict[str, Any]


def runs_of(scores: Scores, exp_dir: Path) -> Iterator[Path]:
    """The folder of each fold and seed."""
    for fold in (row["fold"] for row in scores["folds"]):
        for seed in scores["seeds"]:
            yield exp_dir / f"fold_{fold}" / f"seed_{seed}"


def _rows(run: Path, name: str) -> list[Row]:
    path = run / name
    return list(read_jsonl(path)) if path.exists() else []


def calibrated(scores: Scores, exp_dir: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float]] | None:
    """Emotion on test before and after each run's temperature, which was fitted on its own valid part.

    Returns:
        (N, C) probabilities before and after, (N,) reference classes, pooled over runs, and the temperatures;
        None where no run has probabilities for both parts.
    """
    labels = scores["protocol"]["emotions"]
    before, after, refs, temperatures = [], [], [], []
    for run in runs_of(scores, exp_dir):
        parts = [_rows(run, name) for name in ("valid_predictions.jsonl", "predictions.jsonl")]
        # Another system's predictions may come without probabilities.
        if not all(parts) or not all(row.get("emotion", {}).get("probs") for part in parts for row in part):
            continue
        (valid, valid_refs), (test, test_refs) = (probabilities(part, "emotion", labels) for part in parts)
        if not len(valid_refs) or not len(test_refs):
            continue
        temperatures.append(fit_temperature(valid, valid_refs))
        before.append(test)
        after.append(apply_temperature(test, temperatures[-1]))
        refs.append(test_refs)
    if not temperatures:
        return None
    return np.concatenate(before), np.concatenate(after), np.concatenate(refs), temperatures


def intensities(scores: Scores, exp_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reference and predicted value of the intensity of every rated test utterance, (N,) each, pooled over runs."""
    answers = [row["intensity"] for run in runs_of(scores, exp_dir) for row in _rows(run, "predictions.jsonl")
               if "intensity" in row and row["intensity"]["ref"] is not None]  # fmt: skip
    return np.array([a["ref"] for a in answers], dtype=float), np.array([a["value"] for a in answers], dtype=float)


def embeddings(run: Path) -> tuple[np.ndarray, list[str], list[str]] | None:
    """(N, D) embeddings of a run's test part with emotion and speaker of each; None where stage 6 wrote none."""
    vectors = read_embeddings(run)
    rows = [row for row in _rows(run, "predictions.jsonl") if row["id"] in vectors]
    if len(rows) < 3:
        return None
    emotions = [(row.get("emotion") or {}).get("ref") or "unlabelled" for row in rows]
    return np.stack([vectors[row["id"]] for row in rows]), emotions, [row["speaker"] or "unknown" for row in rows]


def draw_figures(scores: Scores, exp_dir: Path) -> list[tuple[str, Path]]:
    """Draw what the experiment has; returns (caption, path) of each figure."""
    return [
        *_draw_confusions(scores, exp_dir),
        *_draw_quality(scores, exp_dir),
        *_draw_matrix(scores, exp_dir),
        *_draw_map(scores, exp_dir),
        *_draw_curves(scores, exp_dir),
    ]


def _name(scores: Scores) -> str:
    return f"{scores['corpus']}, {scores['protocol']['name']}"


def _draw_confusions(scores: Scores, exp_dir: Path) -> Iterator[tuple[str, Path]]:
    # matplotlib takes 0.3 s to import, and tables do not need it.
    from seq.report.plots import plot_confusion

    folds, seeds = len(scores["folds"]), len(scores["seeds"])
    for task in ("emotion", "intensity"):
        confusion = scores["pooled"].get(task, {}).get("confusion")
        if confusion:
            path = exp_dir / "figures" / f"confusion_{task}.png"
            title = f"{task}: {_name(scores)}, {folds} folds pooled" + (f", {seeds} seeds summed" if seeds > 1 else "")
            plot_confusion(confusion["labels"], confusion["counts"], title, path)
            yield f"Confusion of {task}, pooled over folds", path


def _draw_quality(scores: Scores, exp_dir: Path) -> Iterator[tuple[str, Path]]:
    from seq.report.plots_answers import plot_intensity, plot_reliability

    found = calibrated(scores, exp_dir)
    if found is not None:
        before, after, refs, _ = found
        path = exp_dir / "figures" / "reliability.png"
        parts = {"as trained": before, "with temperature": after}
        plot_reliability(parts, refs, f"emotion: {_name(scores)}, test", path)
        yield "Reliability: how often an answer of a given confidence is right; temperature fitted on valid", path
    refs, values = intensities(scores, exp_dir)
    if len(refs):
        path = exp_dir / "figures" / "intensity.png"
        plot_intensity(refs, values, f"intensity: {_name(scores)}, test", path)
        yield "Intensity against truth, pooled over folds", path


def _draw_matrix(scores: Scores, exp_dir: Path) -> Iterator[tuple[str, Path]]:
    matrix = (scores.get("corpora") or {}).get("matrix")
    if matrix:
        from seq.unified.report import plot_matrix

        path = exp_dir / "figures" / "cross_corpus.png"
        plot_matrix(matrix, path)
        yield "UA when trained on one corpus and tested on another", path


def _draw_map(scores: Scores, exp_dir: Path) -> Iterator[tuple[str, Path]]:
    """One run's: networks of different folds do not share a space."""
    from seq.report.plots_map import plot_map

    for run in runs_of(scores, exp_dir):
        found = embeddings(run)
        if found is not None:
            path = exp_dir / "figures" / "embeddings.png"
            where = f"{run.parent.name.replace('_', ' ')}, {run.name.replace('_', ' ')}"
            vectors, emotions, speakers = found
            order = [*scores["protocol"]["emotions"], "unlabelled"]
            plot_map(
                vectors, {"emotion": emotions, "speaker": speakers}, order, f"{_name(scores)}, test of {where}", path
            )
            yield f"Embeddings of the test part of {where}, by emotion and by speaker", path
            return


def _draw_curves(scores: Scores, exp_dir: Path) -> Iterator[tuple[str, Path]]:
    from seq.report.plots import plot_curves

    histories = {}
    for run in runs_of(scores, exp_dir):
        if (run / "history.jsonl").exists():
            key = (int(run.parent.name.removeprefix("fold_")), int(run.name.removeprefix("seed_")))
            histories[key] = list(read_jsonl(run / "history.jsonl"))
    if histories:
        path = exp_dir / "figures" / "training_curves.png"
        plot_curves(histories, _name(scores), path)
        yield "Loss and valid UA over epochs", path

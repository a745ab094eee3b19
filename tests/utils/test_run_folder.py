"""The files of a run folder: what stands there, and which of it is a finished run or a checkpoint."""

from __future__ import annotations

from pathlib import Path

from seq.utils.run_folder import RunFolder


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_finished_runs_are_those_that_were_not_set_aside(tmp_path: Path) -> None:
    runs = [RunFolder.of(tmp_path, fold, seed) for fold, seed in ((1, 0), (1, 10), (2, 0))]
    touch(*(run.run_json for run in runs), tmp_path / "fold_1/seed_0.replaced-20260101-000000/run.json")
    touch(RunFolder.of(tmp_path, 3, 0).last)
    assert RunFolder.finished(tmp_path) == runs
    assert RunFolder.finished(tmp_path, fold=1) == runs[:2]
    assert RunFolder.finished(tmp_path, seed=0) == [runs[0], runs[2]]
    assert RunFolder.finished(tmp_path, 3) == []


def test_checkpoints_are_told_apart_newest_first(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    touch(*(run.epoch(number) for number in (2, 10, 1)), *(run.batch(number) for number in (90, 100)))
    touch(tmp_path / "epoch-best.pt", tmp_path / "epoch-3.pt.tmp", run.best)
    assert run.epochs() == [(number, tmp_path / f"epoch-{number}.pt") for number in (10, 2, 1)]
    assert run.batches() == [(number, tmp_path / f"checkpoint-{number}.pt") for number in (100, 90)]


def test_parts_have_their_own_predictions(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.predictions_of("test").name == "predictions.jsonl"
    assert run.predictions_of("valid").name == "valid_predictions.jsonl"

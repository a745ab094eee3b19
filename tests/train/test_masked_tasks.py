"""A task that a train part cannot teach is masked, and said: in run.json, on standard error, in scores and tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_experiment import make_experiment, tiny_conf

from seq.decode.run import decode_run
from seq.errors import InputError
from seq.report.report import header_lines, main_table
from seq.score.score import score_experiment
from seq.train.experiment import Experiment
from seq.train.run import train_run
from seq.utils.files import read_jsonl, write_json, write_jsonl, write_text


def with_intensity(experiment: Experiment, value: float | None) -> None:
    """Let every utterance that has an intensity have this one."""
    rows = list(read_jsonl(experiment.cuts))
    for row in rows:
        custom = row["supervisions"][0]["custom"]
        if custom.pop("intensity", None) is not None and value is not None:
            custom["intensity"] = value
    write_jsonl(experiment.cuts, rows)


@pytest.mark.parametrize(("value", "reason"), [(0.0, "train has a single level, 0.0"), (None, "no utterance of train")])
def test_one_level_of_intensity_trains_no_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float | None, reason: str
) -> None:
    experiment = make_experiment(tmp_path, tiny_conf(num_epochs=2))
    with_intensity(experiment, value)
    run = train_run(experiment, 1, 0)
    assert list(run["masked"]) == ["intensity"] and run["masked"]["intensity"].startswith(reason)
    assert run["tasks"] == ["emotion", "gender", "phone"]
    assert f"fold 1 seed 0: intensity is not trained: {reason}" in capsys.readouterr().err
    decode_run(experiment, 1, 0)
    rows = list(read_jsonl(experiment.run_dir(1, 0) / "predictions.jsonl"))
    assert all("intensity" not in row and "emotion" in row for row in rows)
    # A task that is not trained is not scored: it used to be right every time.
    scores = score_experiment(
        experiment.conf, None, experiment.cuts, experiment.folds_dir, experiment.exp_dir, folds=[1], seeds=[0]
    )
    assert scores["tasks"] == ["emotion", "gender", "phone"]
    assert any(f"intensity is not trained: {reason}" in line for line in header_lines(scores))
    assert "intensity" not in main_table(scores)


def test_a_fold_that_can_teach_it_is_scored_without_it_where_another_cannot(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path, tiny_conf(num_epochs=1, average_epochs=1))
    for seed in (0, 1):
        train_run(experiment, 1, seed)
        decode_run(experiment, 1, seed)
    arguments = (experiment.conf, None, experiment.cuts, experiment.folds_dir, experiment.exp_dir)
    path = experiment.run_dir(1, 1) / "predictions.jsonl"
    for name in ("predictions.jsonl", "valid_predictions.jsonl"):
        path = experiment.run_dir(1, 1) / name
        write_jsonl(path, [{key: value for key, value in row.items() if key != "phone"} for row in read_jsonl(path)])
    with pytest.raises(InputError, match="do not have the same tasks"):
        score_experiment(*arguments, folds=[1], seeds=[0, 1])
    write_json(experiment.run_dir(1, 1) / "run.json", {"masked": {"phone": "no utterance of train has a label"}})
    assert "phone" not in score_experiment(*arguments, folds=[1], seeds=[0, 1])["tasks"]


def test_nothing_to_train_on_is_one_sentence(tmp_path: Path) -> None:
    experiment = make_experiment(tmp_path, tiny_conf(), tasks=["phone"])
    write_text(experiment.lang_dir / "text", "")
    with pytest.raises(InputError, match=r"nothing to train on \(phone: no utterance of train has a label\)"):
        train_run(experiment, 1, 0)

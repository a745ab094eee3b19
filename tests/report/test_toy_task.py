"""A task that is defined here, outside `seq`, is scored and stands in tables; what does so names no task."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_experiment import cells, make_conf, make_experiment, read_rows

from seq.report.report import write_report
from seq.score.score import score_experiment
from seq.tasks import registry
from seq.tasks.base import Column, Outputs, Setting, Supervision
from seq.tasks.kinds import CategoryTask
from seq.utils.files import write_json, write_jsonl

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("score", "report", "studies", "unified")


class Half(CategoryTask):
    """Which half of the utterances of a speaker this one belongs to: its number is in its id."""

    name = "half"
    order = 25
    by_class = True
    columns = (Column("UA", "half UA %"), Column("WA", "half WA %"), Column("share", "share", is_optional=True))
    csv_columns = ("half", "half_confidence")

    def outputs(self, setting: Setting) -> Outputs:
        return Outputs(self.kind, labels=("first", "second"))

    def label(self, supervision: Supervision, setting: Setting) -> str | None:
        return "first" if int(supervision.id.split("-")[1]) < 3 else "second"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Half:
    """The task, registered for one test."""
    monkeypatch.setattr(registry, "_REGISTERED", {})
    task = Half()
    registry.register(task)
    return task


def test_a_toy_task_is_scored_and_stands_in_tables(tmp_path: Path, toy: Half) -> None:
    paths = make_experiment(tmp_path)
    for path in paths["exp_dir"].glob("fold_*/seed_*/*predictions.jsonl"):
        rows = read_rows(path)
        for id_, row in rows.items():
            ref = "first" if int(id_.split("-")[1]) < 3 else "second"
            # The last of the first half is taken for the second.
            hyp = "second" if id_.endswith("-2") else ref
            row["half"] = {"ref": ref, "hyp": hyp, "probs": {name: float(name == hyp) for name in ("first", "second")}}
        write_jsonl(path, rows.values())
    scores = score_experiment(make_conf(), "two", **paths)
    names = ["emotion", "intensity", "half", "gender", "phone"]
    assert scores["tasks"] == names
    assert [key for key in scores["pooled"] if key in names] == names
    assert scores["pooled"]["half"]["UA"] == pytest.approx((2 / 3 + 1) / 2)
    assert "share" not in scores["pooled"]["half"] and "share" not in scores["mean_std"]["half"]
    write_json(paths["exp_dir"] / "scores.json", scores)
    table = write_report(paths["exp_dir"] / "scores.json", paths["exp_dir"], paths["exp_dir"] / "report.md")
    headings = cells(table, " ")
    at = headings.index("half UA %")
    assert headings[at - 1 : at + 3] == ["Spearman", "half UA %", "half WA %", "gender %"]
    assert cells(table, "**pooled**")[at : at + 2] == ["83.33", "83.33"]
    text = (paths["exp_dir"] / "report.md").read_text(encoding="utf-8")
    assert cells(text, "first") == ["first", "12", "66.67", "66.67", "66.67"]
    assert "](figures/confusion_half.png)" in text


def _words(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_task_is_named() -> None:
    names = {task.name for task in registry.all_tasks()}
    paths = [path for package in PACKAGES for path in (ROOT / "seq" / package).glob("*.py")]
    assert len(paths) > 15
    assert {str(path): found for path in paths if (found := names.intersection(_words(path)))} == {}

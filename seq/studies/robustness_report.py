"""The robustness of experiments, side by side: tables and a figure out of their robustness.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from seq.report.cells import MISSING, interval, value
from seq.report.report import Additions
from seq.studies.robustness_types import NAME, ConditionScores, Robustness
from seq.tasks.registry import get_task
from seq.utils.files import read_json
from seq.utils.markdown_text import code, markdown_table, plain

CAPTION: Final = "what is left under everyday changes of the recording"
READING: Final = (
    "Unchanged: answers as on clean speech. Marked: called uncertain, of all answers and of the wrong ones. "
    "AURC: area under the risk-coverage curve; lower is better. Calibration: expected error of the confidence. Every "
    "group counts once in the mean. Noise is at a ratio to the level of active speech. Rooms and noises are none that "
    "training draws; *heard*: training had the very same."
)


def robustness_additions(exp_dir: Path) -> Additions:
    """What the report of an experiment has beside others where it was tested; nothing where it was not."""
    path = exp_dir / f"{NAME}.json"
    if not path.is_file():
        return Additions()
    found: Robustness = read_json(path)
    figure = exp_dir / f"figures/{NAME}.png"
    draw([found], figure)
    return Additions([own_table(found), READING], [(CAPTION, figure)])


def robustness_report(systems: Sequence[Robustness], command: str, level: int = 1) -> str:
    """Markdown: the systems side by side, then each by itself; `level` is that of its title."""
    first, marks = systems[0], "#" * level
    lines = [
        f"{marks} {plain(first['corpus'])}: robustness",
        "",
        f"- protocol **{plain(first['protocol'])}**, the {first['part']} part; "
        f"folds {', '.join(map(str, first['folds']))}; seeds {', '.join(map(str, first['seeds']))}",
        f"- command: {code(command)}",
        plain(f"- commit {first['commit'] or 'not recorded'}; 95 % intervals: {first['interval']}"),
        f"- uncertain: fitted on valid, {_fitted_on(systems)}",
        "",
        READING,
    ]
    parts = ["\n".join(lines)]
    if len(systems) > 1:
        parts.append(side_by_side(systems))
    for system in systems:
        parts += [f"{marks}# {plain(system['experiment'])}", own_table(system)]
    return "\n\n".join(parts) + "\n"


def _fitted_on(systems: Sequence[Robustness]) -> str:
    if not all(system.get("fitted_on") for system in systems):
        names = ", ".join(system["experiment"] for system in systems if not system.get("fitted_on"))
        return plain(f"and on its clean speech alone of {names}: run with --part valid first, then again")
    return f"under {len(systems[0]['fitted_on'])} conditions"


def side_by_side(systems: Sequence[Robustness]) -> str:
    """A row per condition and group, and for each system its metric with its interval."""
    heading, metric = _heading(systems[0]), systems[0]["metric"]
    header = ["condition"]
    for system in systems:
        header += [f"{system['experiment']} {heading}", "95 % interval"]

    def row(name: str, blocks: Sequence[Mapping[str, Any]], key: str, shown_as: str) -> list[str]:
        return [name, *(cell for block in blocks for cell in _cells(block, key, shown_as))]

    rows = []
    for at_once in zip(*(system["conditions"] for system in systems), strict=True):
        rows.append(
            row(
                _name(next((found for found in at_once if found["heard"]), at_once[0])),
                [_block(found, systems[0]["task"]) for found in at_once],
                metric,
                heading,
            )
        )
    for name in systems[0]["groups"]:
        rows.append(row(f"**{name}**", [system["groups"][name] for system in systems], "value", heading))
    overall = [system["overall"] for system in systems]
    rows.append(row("**mean over groups**", overall, "value", heading))
    rows.append(row("as a share of clean %", overall, "share", "%"))
    rows.append(row("wrong answers marked %", overall, "wrong_marked", "%"))
    rows.append(row("AURC over all, x 100", overall, "AURC", "%"))
    return markdown_table(header, rows)


def own_table(system: Robustness) -> str:
    """Everything of one system, a row per condition, then the groups."""
    heading, metric = _heading(system), system["metric"]
    others = [get_task(name) for name in system["conditions"][0]["tasks"] if name != system["task"]]
    header = ["condition", heading, "95 % interval", "unchanged %", *(task.main.heading for task in others),
              "calibration %", "marked %", "wrong marked %", "95 % interval", "AURC x 100"]  # fmt: skip

    def row(name: str, block: Mapping[str, Any], key: str, selective: Mapping[str, Any], rest: list[str]) -> list[str]:
        return [
            name,
            *_cells(block, key, heading),
            value(selective.get("unchanged"), "%"),
            *rest,
            value(selective.get("marked"), "%"),
            *_cells(selective, "wrong_marked", "%"),
            value(selective.get("AURC"), "%"),
        ]

    rows = []
    for condition in system["conditions"]:
        rest = [value(_block(condition, task.name).get(task.main.metric), task.main.heading) for task in others]
        rest.append(value(condition["ece"], "%"))
        rows.append(row(_name(condition), _block(condition, system["task"]), metric, condition["selective"], rest))
    empty = [MISSING] * (len(others) + 1)
    for name, block in system["groups"].items():
        rows.append(row(f"**{name}**, {_share(block)}", block, "value", {}, empty))
    overall = system["overall"]
    rows.append(row(f"**mean over groups**, {_share(overall)}", overall, "value", overall, empty))
    return markdown_table(header, rows)


def _heading(system: Robustness) -> str:
    return get_task(system["task"]).main.heading


def _name(condition: ConditionScores) -> str:
    return f"{condition['name']} (heard)" if condition["heard"] else condition["name"]


def _block(condition: ConditionScores, task: str) -> dict[str, Any]:
    return cast("dict[str, Any]", condition["tasks"].get(task, {}))


def _share(block: Mapping[str, Any]) -> str:
    return f"{value(block['share'], '%')} % of clean"


def _cells(block: Mapping[str, Any], key: str, heading: str) -> list[str]:
    """A metric and its interval."""
    return [value(block.get(key), heading), interval(block.get(f"{key}_ci95"), heading)]


def draw(systems: Sequence[Robustness], path: Path) -> None:
    """The metric under every condition, the systems side by side."""
    # matplotlib takes seconds to import, and most experiments have no such figure.
    from seq.report.plots_conditions import plot_conditions

    metric, task = systems[0]["metric"], systems[0]["task"]
    names = [(condition["name"], condition["group"]) for condition in systems[0]["conditions"]]
    series = {}
    for system in systems:
        blocks = [_block(condition, task) for condition in system["conditions"]]
        series[system["experiment"]] = [(block[metric], block[f"{metric}_ci95"]) for block in blocks]
    plot_conditions(names, series, f"{get_task(task).name} {metric}", path)

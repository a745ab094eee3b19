"""The few-shot study as Markdown: a row a method, a column a k."""

from __future__ import annotations

from typing import Any

from seq.report.cells import MISSING, interval, value
from seq.tasks.registry import main_task
from seq.utils.markdown_text import code, markdown_table, plain
from seq.utils.provenance import without_private_paths


def few_shot_table(result: dict[str, Any]) -> str:
    """Methods by k: the main metric, its 95 % interval, and its spread over draws."""
    main = main_task().main
    rows = {(row["method"], row["k"]): row for row in result["rows"]}
    header = [f"{main.heading}, by utterances a class", *(f"k = {k}" for k in result["shots"])]
    # A method that hears no labelled utterances says at every k what it says at 0.
    table = [
        [
            method,
            *(_cell(rows.get((method, k), rows.get((method, 0))), main.metric, main.heading) for k in result["shots"]),
        ]
        for method in result["methods"]
    ]
    return markdown_table(header, table)


def _cell(row: dict[str, Any] | None, metric: str, heading: str) -> str:
    if row is None or row[metric] is None:
        return MISSING
    spread = row[f"{metric}_std"]
    around = "" if spread is None else f" ± {value(spread, heading)}"
    return f"{value(row[metric], heading)} {interval(row[f'{metric}_ci95'], heading)}{around}"


def few_shot_report(result: dict[str, Any]) -> str:
    """What was done, the table, and what each method is."""
    source, target = result["source"], result["target"]
    seen = "test speakers of each fold, by that fold's run" if result["is_same"] else "speakers of another corpus"
    folds = ", ".join(map(str, result["folds"]))
    command, minutes = code(without_private_paths(result["command"])), result["wall_seconds"] / 60
    lines = [
        f"# Few-shot: {plain(source['corpus'])} to {plain(target['corpus'])}",
        "",
        f"- source: experiment {plain(source['experiment'])}, protocol **{plain(source['protocol']['name'])}**, fold "
        f"{folds}, seed {result['seed']}",
        f"- target: protocol **{plain(target['protocol']['name'])}**, {seen}: {result['num_utterances']} utterances of "
        f"{result['num_speakers']} speakers, the same at every k",
        f"- classes: {', '.join(result['classes'])}",
        f"- {result['num_draws']} draws, of labelled utterances of speakers who are not scored; ± is the standard "
        "deviation over draws; 95 % intervals are t intervals over draws and speakers",
        *(f"- k = {k} is skipped: {plain(reason)}" for k, reason in result["skipped"].items()),
        f"- command: {command}; commit {result['commit']}; {minutes:.1f} minutes",
        "",
        few_shot_table(result),
        "",
        *(f"- {name}: {plain(about)}" for name, about in result["methods"].items()),
    ]
    return "\n".join(lines) + "\n"

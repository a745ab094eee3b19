"""The study of known speakers as Markdown: a row a condition."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from seq.report.cells import MISSING, interval, signed, value
from seq.report.kept_results import keep_packed, kept_dir
from seq.tasks.registry import get_task
from seq.utils.markdown_text import code, markdown_table, plain
from seq.utils.provenance import without_private_paths

PROTOCOL: Final = "enrolled"
# Of the block in RESULTS.md.
TITLE: Final = "Known speakers"


def enrolled_table(result: dict[str, Any]) -> str:
    """Conditions by task: the metric with its interval, its spread over draws, and what it has more than without."""
    rows = {(row["condition"], row["task"]): row for row in result["rows"]}
    tasks = list(dict.fromkeys(row["task"] for row in result["rows"]))
    header = ["clips of the speaker"]
    for name in tasks:
        heading = get_task(name).main.heading
        header += [heading, "95 % interval", "± draws", "more than with none", "95 % interval"]
    table = []
    for condition in result["conditions"]:
        count, *labelled = condition.split()
        cells = [f"{count} of each class, labelled" if labelled else f"{count}, unlabelled"]
        for name in tasks:
            row, heading = rows[condition, name], get_task(name).main.heading
            more = None if row.get("gain") is None else signed(row["gain"], heading)
            cells += [
                value(row["value"], heading),
                interval(row["value_ci95"], heading),
                value(row["std"], heading),
                more or MISSING,
                interval(row.get("gain_ci95"), heading),
            ]
        table.append(cells)
    return markdown_table(header, table)


def enrolled_report(result: dict[str, Any]) -> str:
    """What was done, and the table."""
    strengths = "; ".join(f"fold {fold}: {_strengths(found)}" for fold, found in result["strengths"].items())
    command, minutes = code(without_private_paths(result["command"])), result["wall_seconds"] / 60
    lines = [
        f"# {plain(result['corpus'])}, {plain(result['experiment'])}",
        "",
        f"- protocol **{result['protocol']}**: these test speakers have told the model who they are, so nothing here "
        "may be read beside scores of strangers",
        f"- the runs of protocol **{plain(result['folds_of']['name'])}**, folds {', '.join(map(str, result['folds']))},"
        f" seed {result['seed']}; each answers for its own test speakers",
        f"- scored: {result['num_utterances']} utterances of {result['num_speakers']} speakers, half of each one's;"
        " clips are drawn from the other half, so every row scores the same utterances, and none of them is drawn",
        f"- {result['num_draws']} draws; ± is the standard deviation over draws; 95 % intervals are t intervals over "
        "draws and speakers",
        f"- chosen on each fold's valid speakers, as how many clips the training speakers count: {strengths}",
        *(f"- {name} is skipped: {plain(reason)}" for name, reason in result["skipped"].items()),
        f"- command: {command}; commit {result['commit']}; {minutes:.1f} minutes",
        "",
        enrolled_table(result),
    ]
    return "\n".join(lines) + "\n"


def enrolled_block(result: dict[str, Any]) -> str:
    """The same for RESULTS.md, below `TITLE`."""
    return f"##{enrolled_report(result)}"


def keep_enrolled(folder: Path) -> Path:
    """Copy what stands behind the block from exp/ to where it is committed; returns that place."""
    kept = kept_dir(folder) / f"{PROTOCOL}.json.gz"
    keep_packed(folder / f"{PROTOCOL}.json", kept)
    return kept


def _strengths(found: dict[str, Any]) -> str:
    parts = [f"{name} {MISSING if found[name] is None else f'{found[name]:g}'}" for name in ("mean", "deviation")]
    return ", ".join([*parts, f"prototype {found['prototype']:g} at weight {found['weight']:g}"])

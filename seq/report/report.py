"""Stage 8: tables and figures out of scores.json and predictions. No number here is typed by hand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seq.decode.choice import describe_records, is_post_hoc
from seq.errors import InputError
from seq.report.figures import calibrated, draw_figures
from seq.report.page import build_page
from seq.score.calibration import calibration_error
from seq.score.intervals import paired_by_speaker, paired_test
from seq.utils.files import read_json, write_text
from seq.utils.markdown_text import markdown_table, replace_block

Scores = dict[str, Any]
# task, metric, heading; those with a % are fractions printed as percent.
COLUMNS = (
    ("emotion", "UA", "UA %"),
    ("emotion", "WA", "WA %"),
    ("emotion", "macro_f1", "macro-F1 %"),
    ("intensity", "UA", "intensity UA %"),
    ("intensity", "MAE", "MAE"),
    ("intensity", "spearman", "Spearman"),
    ("gender", "accuracy", "gender %"),
    ("phone", "PER", "PER %"),
)
MISSING = "–"
POST_HOC_WARNING = "weights were chosen by hand and not by valid. Not a result, unless it is said who chose, and when."


def _without_private_paths(command: str) -> str:
    """The command with `/home/me/corpora/ravdess` as `.../ravdess`: whose disk it was is nobody's business."""
    return re.sub(r"(?<=[\s=])/\S*/(?=[^/\s]+)", ".../", command)


def _value(value: float | None, heading: str) -> str:
    if value is None:
        return MISSING
    return f"{100 * value:.2f}" if "%" in heading else f"{value:.3f}"


def _interval(ends: Sequence[float] | None, heading: str) -> str:
    return MISSING if ends is None else f"[{_value(ends[0], heading)}, {_value(ends[1], heading)}]"


def header_lines(scores: Scores) -> list[str]:
    """What must be known to read the table: protocol, seeds, command, commit, versions, cost, intervals."""
    protocol, pooled = scores["protocol"], scores["pooled"]
    lines = []
    if not protocol["speaker_disjoint"]:
        lines += ["> **SPEAKER-DEPENDENT: test speakers are also in training. Not comparable with other splits.**", ""]
    if is_post_hoc(scores.get("decoding", [])):
        lines += [f"> **POST-HOC: {POST_HOC_WARNING}**", ""]
    if note := partial_note(scores):
        lines += [f"> **{note}**", ""]
    folds = [row["fold"] for row in scores["folds"]]
    disjoint = "speakers disjoint" if protocol["speaker_disjoint"] else "speaker-dependent"
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in scores["versions"].items())
    lines += [
        f"- corpus {scores['corpus']}, protocol **{protocol['name']}** ({disjoint}): {protocol['description']}",
        f"- folds {_join(folds)} of {protocol['num_folds']}; seeds {_join(scores['seeds'])}"
        + (" (metrics averaged over seeds)" if len(scores["seeds"]) > 1 else ""),
        f"- command: `{_without_private_paths(scores['command']) or 'not recorded'}`",
        f"- commit {scores['commit'] or 'not recorded'}{_trained_at(scores)}; {versions}",
        f"- 95 % intervals over speakers: pooled {_methods([pooled], scores)}; "
        f"single folds (in scores.json) {_methods(scores['folds'], scores)}",
    ]
    if decoding := describe_records(scores.get("decoding", [])):
        lines.append(f"- {decoding}")
    used = [f"{task} {pooled[task]['n']}" for task in scores["tasks"] if pooled[task]["n"] < pooled["num_utterances"]]
    if used:
        lines.append(f"- of {pooled['num_utterances']} utterances, those with a reference are scored: {_join(used)}")
    if pooled.get("text_overlap") is not None:
        lines.append(f"- {100 * pooled['text_overlap']:.2f} % of the test sentences were also spoken in training")
    if scores["wall_seconds"]:
        runs = len(scores["runs"])
        lines.append(
            f"- training: {scores['wall_seconds'] / 60:.1f} min of wall time summed over {runs} run{'s' * (runs > 1)}, "
            f"peak memory {scores['peak_rss_mib']:.0f} MiB per process, CTC by {scores['ctc_backend'] or 'none'}"
        )
    return lines


def partial_note(scores: Scores) -> str | None:
    """What a partial copy of the corpus lacked, and that the figures are not of the published test set."""
    if not scores.get("partial"):
        return None
    what = "; ".join(scores.get("missing") or ["files are missing"])
    return f"Incomplete corpus: {what}. The test set is not the published one."


def _join(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "none"


def _methods(blocks: Iterable[dict[str, Any]], scores: Scores) -> str:
    names = {block[task]["interval"] for block in blocks for task in scores["tasks"] if "interval" in block[task]}
    return _join(sorted(names))


def _trained_at(scores: Scores) -> str:
    commits = sorted({run["commit"] for run in scores["runs"] if run.get("commit")} - {scores["commit"]})
    return f" (trained at {_join(commits)})" if commits else ""


def main_table(scores: Scores) -> str:
    """A row per fold, mean ± standard deviation over folds, and the pooled predictions with their interval."""
    columns = [column for column in _columns(scores) if column[0] in scores["tasks"]]

    def metrics(block: dict[str, Any]) -> list[str]:
        return [_value(block[task].get(metric), heading) for task, metric, heading in columns]

    def size(block: dict[str, Any]) -> list[str]:
        return [str(block["num_utterances"]), str(block["num_speakers"])]

    def ends(block: dict[str, Any]) -> list[str]:
        return [_interval(block[task].get(f"{metric}_ci95"), heading) for task, metric, heading in columns]

    rows = [[f"fold {row['fold']}", *size(row), *metrics(row)] for row in scores["folds"]]
    if len(scores["folds"]) > 1:
        spread = [_mean_std(scores["mean_std"][task][metric], heading) for task, metric, heading in columns]
        rows.append(["mean ± std", "", "", *spread])
    pools = {"pooled": scores["pooled"], "without fold 1 (search)": scores.get("pooled_without_search")}
    for name, block in pools.items():
        if block is not None:
            rows.append([f"**{name}**", *size(block), *metrics(block)])
            rows.append(["95 % interval", "", "", *ends(block)])
    if len(scores["seeds"]) > 1:
        stds = [scores["pooled"][task].get("seed_std", {}).get(metric) for task, metric, _ in columns]
        rows.append(["std over seeds", "", "", *(_value(s, c[2]) for s, c in zip(stds, columns, strict=True))])
    if scores.get("valid"):
        rows.append(["valid, pooled", *size(scores["valid"]["pooled"]), *metrics(scores["valid"]["pooled"])])
    corner = "POST-HOC" if is_post_hoc(scores.get("decoding", [])) else ""
    return markdown_table([corner, "utt.", "spk.", *(heading for _, _, heading in columns)], rows)


def _columns(scores: Scores) -> list[tuple[str, str, str]]:
    """The columns, with the error rate of the last one named after what was spelt."""
    unit = scores.get("unit", "phone")
    name = "PER %" if unit in ("phone", "ipa") else f"TER ({unit}) %"
    return [(task, metric, name if task == "phone" else heading) for task, metric, heading in COLUMNS]


def _mean_std(spread: dict[str, float | None], heading: str) -> str:
    if spread["std"] is None:
        return _value(spread["mean"], heading)
    return f"{_value(spread['mean'], heading)} ± {_value(spread['std'], heading)}"


def recall_table(scores: Scores, task: str) -> str:
    """Recall per class, pooled and per fold, with the number of reference utterances (summed over seeds)."""
    pooled = scores["pooled"][task]
    header = [f"recall of {task}", "utt.", "pooled %", *(f"fold {row['fold']} %" for row in scores["folds"])]
    totals = [sum(row) for row in pooled["confusion"]["counts"]]
    rows = []
    for label, total in zip(pooled["confusion"]["labels"], totals, strict=True):
        blocks = [pooled, *(row[task] for row in scores["folds"])]
        rows.append([label, str(total), *(_value(block.get("recall", {}).get(label), "%") for block in blocks)])
    return markdown_table(header, rows)


def comparison_table(scores: Scores, other: Scores, names: tuple[str, str]) -> str:
    """Paired sign-flip tests over speakers of the pooled metrics of two systems (per-speaker values).

    Raises:
        InputError: the two did not answer the same speakers.
    """
    rows = []
    for task, metric, heading in COLUMNS:
        blocks = [system["pooled"].get(task, {}).get("speakers") for system in (scores, other)]
        if not all(blocks):
            continue
        if set(blocks[0]) != set(blocks[1]):
            raise InputError(f"the two systems were not tested on the same speakers ({task}): score the same folds")
        paired = paired_by_speaker(*blocks, metric)
        test = paired_test(*paired)
        means = [sum(values) / len(values) if values else None for values in paired]
        difference = _value(test.difference, heading) if paired[0] else MISSING
        rows.append([heading, *(_value(mean, heading) for mean in means), difference, str(test)])
    header = ["mean over speakers", *names, "difference", "paired sign-flip test over speakers"]
    return markdown_table(header, rows)


def calibration_table(scores: Scores, exp_dir: Path) -> str | None:
    """How far the confidence of emotion on test is from the share of right answers, as trained and with temperature.

    None where the predictions have no probabilities.
    """
    found = calibrated(scores, exp_dir)
    if found is None:
        return None
    before, after, refs, temperatures = found
    values = [str(len(refs)), *(f"{100 * calibration_error(probs, refs):.2f}" for probs in (before, after))]
    lowest, highest = (f"{value:.2f}" for value in (min(temperatures), max(temperatures)))
    values.append(lowest if lowest == highest else f"{lowest} to {highest}")
    header = ["expected calibration error (15 bins)", "utt.", "as trained %", "with temperature %", "temperature"]
    return markdown_table(header, [["emotion on test; temperature fitted on valid", *values]])


def tables(scores: Scores) -> str:
    """Header, main table and recall tables as Markdown."""
    parts = ["\n".join(header_lines(scores)), main_table(scores)]
    for task in ("emotion", "intensity"):
        if scores["pooled"].get(task, {}).get("confusion"):
            parts.append(recall_table(scores, task))
    if scores.get("corpora"):
        from seq.unified.report import corpora_tables

        parts += corpora_tables(scores)
    return "\n\n".join(parts)


def write_report(
    scores_path: Path, exp_dir: Path, out: Path, results: Path | None = None, against: Path | None = None
) -> str:
    """Write the report with its figures, the same as one HTML page beside it, and the tables into `results` if given.

    Returns the main table.

    Raises:
        InputError: scores.json is missing or broken; `against` has other speakers; `results` has a broken block.
    """
    scores = read_json(scores_path)
    body = tables(scores)
    calibration = calibration_table(scores, exp_dir)
    if calibration is not None:
        body += f"\n\n{calibration}"
    if against is not None:
        other = read_json(against)
        body += "\n\n" + comparison_table(scores, other, (exp_dir.name, against.parent.name))
    title = f"{scores['corpus']}: {exp_dir.name}"
    drawn = draw_figures(scores, exp_dir)
    figures = [f"![{caption}]({Path(os.path.relpath(path, out.parent)).as_posix()})" for caption, path in drawn]
    write_text(out, "\n\n".join([f"# {title}", body, *figures]) + "\n")
    write_text(out.with_suffix(".html"), build_page(title, body, drawn))
    if results is not None:
        name = Path(os.path.relpath(exp_dir, results.parent)).as_posix()
        replace_block(results, name, f"### {name}\n\n{body}")
    return main_table(scores)

"""Stage 8: tables and figures out of scores.json and predictions. No number here is typed by hand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seq.decode.choice import describe_records, is_post_hoc
from seq.errors import InputError
from seq.report.cells import MISSING, TaskColumn, columns, value
from seq.report.figures import Figure, calibrated, draw_figures
from seq.report.page import build_page
from seq.score.calibration import calibration_error
from seq.score.intervals import paired_by_speaker, paired_test
from seq.score.shared import describe_shared
from seq.score.types import About, PooledScores, PoolScores, Scores, read_scores, task_scores
from seq.tasks.registry import in_order
from seq.utils.files import write_text
from seq.utils.markdown_text import code, markdown_table, plain, replace_block
from seq.utils.provenance import without_private_paths

POST_HOC_WARNING = "weights were chosen by hand and not by valid. Not a result, unless it is said who chose, and when."


@dataclass(frozen=True)
class Additions:
    """What a caller adds to a report: sections of Markdown after the tables of recall, and figures."""

    sections: Sequence[str] = ()
    figures: Sequence[Figure] = ()


def header_lines(scores: Scores) -> list[str]:
    """What must be known to read the table: protocol, seeds, command, commit, versions, cost, intervals."""
    protocol, pooled = scores["protocol"], scores["pooled"]
    lines = []
    if not protocol["speaker_disjoint"]:
        lines += ["> **SPEAKER-DEPENDENT: test speakers are also in training. Not comparable with other splits.**", ""]
    if is_post_hoc(scores.get("decoding", [])):
        lines += [f"> **POST-HOC: {POST_HOC_WARNING}**", ""]
    if note := partial_note(scores):
        lines += [f"> **{plain(note)}**", ""]
    folds = [row["fold"] for row in scores["folds"]]
    disjoint = "test speakers disjoint" if protocol["speaker_disjoint"] else "speaker-dependent"
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in scores["versions"].items())
    lines += [
        f"- corpus {plain(scores['corpus'])}, protocol **{plain(protocol['name'])}** ({disjoint}): "
        f"{plain(protocol['description'])}",
        f"- folds {_join(folds)} of {protocol['num_folds']}; seeds {_join(scores['seeds'])}"
        + (" (metrics averaged over seeds)" if len(scores["seeds"]) > 1 else ""),
        f"- command: {code(without_private_paths(scores['command']) or 'not recorded')}",
        plain(f"- commit {scores['commit'] or 'not recorded'}{_trained_at(scores)}; {versions}"),
        f"- 95 % intervals over speakers: pooled {_methods([pooled], scores)}; "
        f"single folds (in scores.json) {_methods(scores['folds'], scores)}",
    ]
    if decoding := describe_records(scores.get("decoding", [])):
        lines.append(plain(f"- {decoding}"))
    numbers = {task: (task_scores(pooled, task) or {}).get("n", 0) for task in scores["tasks"]}
    used = [f"{task} {number}" for task, number in numbers.items() if number < pooled["num_utterances"]]
    lines += [plain(f"- {name} is not trained: {reason}") for name, reason in sorted(_masked(scores))]
    if used:
        lines.append(f"- of {pooled['num_utterances']} utterances, those with a reference are scored: {_join(used)}")
    valid = scores.get("valid")
    parts = {"test": pooled, **({"valid": valid["pooled"]} if valid else {})}
    shared = [describe_shared(name, p.get("speaker_overlap"), p.get("text_overlap")) for name, p in parts.items()]
    lines.append(f"- {'; '.join(shared)}")
    if scores["wall_seconds"]:
        runs = len(scores["runs"])
        lines.append(
            f"- training: {scores['wall_seconds'] / 60:.1f} min of wall time summed over {runs} run{'s' * (runs > 1)}, "
            f"peak memory {scores['peak_rss_mib']:.0f} MiB per process, CTC by {scores['ctc_backend'] or 'none'}"
        )
    return lines


def _masked(scores: Scores) -> set[tuple[str, str]]:
    """The tasks that some run could not learn, and why."""
    return {item for run in scores["runs"] for item in run.get("masked", {}).items()}


def partial_note(scores: About) -> str | None:
    """What a partial copy of the corpus lacked, and that the figures are not of the published test set."""
    if not scores.get("partial"):
        return None
    what = "; ".join(scores.get("missing") or ["files are missing"])
    return f"Incomplete corpus: {what}. The test set is not the published one."


def _join(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "none"


def _methods(pools: Iterable[PoolScores], scores: Scores) -> str:
    found = [task_scores(pool, task) or {} for pool in pools for task in scores["tasks"]]
    return _join(sorted({block.get("interval", "") for block in found} - {""}))


def _trained_at(scores: Scores) -> str:
    commits = sorted({commit for run in scores["runs"] if (commit := run.get("commit"))} - {scores["commit"]})
    return f" (trained at {_join(commits)})" if commits else ""


def main_table(scores: Scores) -> str:
    """A row per fold, mean ± standard deviation over folds, and the pooled predictions with their interval."""
    shown = columns(scores)

    def row(name: str, pool: PooledScores) -> list[str]:
        return [name, str(pool["num_utterances"]), str(pool["num_speakers"]), *(column.value(pool) for column in shown)]

    rows = [row(f"fold {fold['fold']}", fold) for fold in scores["folds"]]
    if len(scores["folds"]) > 1:
        rows.append(["mean ± std", "", "", *(_mean_std(scores, column) for column in shown)])
    pools = {"pooled": scores["pooled"], "without fold 1 (search)": scores.get("pooled_without_search")}
    for name, pool in pools.items():
        if pool is not None:
            rows.append(row(f"**{name}**", pool))
            rows.append(["95 % interval", "", "", *(column.interval(pool) for column in shown)])
    if len(scores["seeds"]) > 1:
        rows.append(["std over seeds", "", "", *(_seed_std(scores, column) for column in shown)])
    if valid := scores.get("valid"):
        rows.append(row("valid, pooled", valid["pooled"]))
    corner = "POST-HOC" if is_post_hoc(scores.get("decoding", [])) else ""
    return markdown_table([corner, "utt.", "spk.", *(column.heading for column in shown)], rows)


def _mean_std(scores: Scores, column: TaskColumn) -> str:
    spread = scores["mean_std"].get(column.task, {}).get(column.metric)
    if spread is None:
        return MISSING
    mean = value(spread["mean"], column.heading)
    return mean if spread["std"] is None else f"{mean} ± {value(spread['std'], column.heading)}"


def _seed_std(scores: Scores, column: TaskColumn) -> str:
    deviations = (task_scores(scores["pooled"], column.task) or {}).get("seed_std", {})
    return value(deviations.get(column.metric), column.heading)


def recall_table(scores: Scores, task: str) -> str | None:
    """Recall per class, pooled and per fold, with the number of reference utterances (summed over seeds).

    None where no utterance has a reference.
    """
    pooled = task_scores(scores["pooled"], task) or {}
    confusion = pooled.get("confusion")
    if confusion is None:
        return None
    header = [f"recall of {task}", "utt.", "pooled %", *(f"fold {row['fold']} %" for row in scores["folds"])]
    blocks = [pooled, *(task_scores(fold, task) or {} for fold in scores["folds"])]
    rows = [
        [label, str(sum(counts)), *(value(block.get("recall", {}).get(label), "%") for block in blocks)]
        for label, counts in zip(confusion["labels"], confusion["counts"], strict=True)
    ]
    return markdown_table(header, rows)


def comparison_table(scores: Scores, other: Scores, names: tuple[str, str]) -> str:
    """Paired sign-flip tests over speakers of the pooled metrics of two systems (per-speaker values).

    Raises:
        InputError: the two did not answer the same speakers.
    """
    rows = []
    for column in columns(scores):
        found = [task_scores(system["pooled"], column.task) or {} for system in (scores, other)]
        mine, others = (block.get("speakers", {}) for block in found)
        if not mine or not others:
            continue
        if set(mine) != set(others):
            raise InputError(
                f"the two systems were not tested on the same speakers ({column.task}): score the same folds"
            )
        paired = paired_by_speaker(mine, others, column.metric)
        test = paired_test(*paired)
        means = [sum(values) / len(values) if values else None for values in paired]
        difference = value(test.difference, column.heading) if paired[0] else MISSING
        rows.append([column.heading, *(value(mean, column.heading) for mean in means), difference, str(test)])
    header = ["mean over speakers", *names, "difference", "paired sign-flip test over speakers"]
    return markdown_table(header, rows)


def calibration_table(scores: Scores, exp_dir: Path) -> str | None:
    """How far the confidence on test is from the share of right answers, as trained and with temperature.

    None where the predictions have no probabilities.
    """
    found = calibrated(scores, exp_dir)
    if found is None:
        return None
    parts = (found.before, found.after)
    values = [str(len(found.refs)), *(f"{100 * calibration_error(probs, found.refs):.2f}" for probs in parts)]
    lowest, highest = (f"{end:.2f}" for end in (min(found.temperatures), max(found.temperatures)))
    values.append(lowest if lowest == highest else f"{lowest} to {highest}")
    header = ["expected calibration error (15 bins)", "utt.", "as trained %", "with temperature %", "temperature"]
    return markdown_table(header, [[f"{found.task} on test; temperature fitted on valid", *values]])


def tables(scores: Scores, sections: Sequence[str] = ()) -> str:
    """Header, main table, recall tables and the caller's sections as Markdown."""
    by_class = [task.name for task in in_order(scores["tasks"]) if task.by_class]
    recalls = [table for table in (recall_table(scores, name) for name in by_class) if table is not None]
    return "\n\n".join(["\n".join(header_lines(scores)), main_table(scores), *recalls, *sections])


def write_report(
    scores_path: Path,
    exp_dir: Path,
    out: Path,
    results: Path | None = None,
    against: Path | None = None,
    additions: Additions | None = None,
) -> str:
    """Write the report with its figures, the same as one HTML page beside it, and the tables into `results` if given.

    Returns the main table.

    Raises:
        InputError: scores.json is missing or broken; `against` has other speakers; `results` has a broken block.
    """
    scores = read_scores(scores_path)
    added = additions or Additions()
    body = tables(scores, added.sections)
    calibration = calibration_table(scores, exp_dir)
    if calibration is not None:
        body += f"\n\n{calibration}"
    if against is not None:
        other = read_scores(against)
        body += "\n\n" + comparison_table(scores, other, (exp_dir.name, against.parent.name))
    title = f"{scores['corpus']}: {exp_dir.name}"
    drawn = draw_figures(scores, exp_dir, added.figures)
    figures = [f"![{caption}]({Path(os.path.relpath(path, out.parent)).as_posix()})" for caption, path in drawn]
    write_text(out, "\n\n".join([f"# {plain(title)}", body, *figures]) + "\n")
    write_text(out.with_suffix(".html"), build_page(title, body, drawn))
    if results is not None:
        name = Path(os.path.relpath(exp_dir, results.parent)).as_posix()
        replace_block(results, name, f"### {name}\n\n{body}")
    return main_table(scores)

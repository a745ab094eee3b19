"""The sections that local/reproduce_paper.sh writes into RESULTS.md: which commands each needs, and its text."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seq.recipe.files import experiment_name
from seq.recipe.recipe import Recipe
from seq.recipe.siblings import CROSS, JOINT, LEAVE_ONE_OUT
from seq.report.cells import leading_columns
from seq.report.kept_results import FIGURES, keep_packed
from seq.report.report import header_lines, main_table
from seq.score.types import Scores, read_scores
from seq.studies.ablation import ablation_report, ablation_scores
from seq.studies.comparison import differences, plot_differences
from seq.studies.enrolled_report import PROTOCOL, TITLE, enrolled_block, keep_enrolled
from seq.studies.few_shot_report import few_shot_report
from seq.studies.paper_plan import (
    ABLATED,
    UNIFIED,
    Corpus,
    Section,
    Step,
    ablation_step,
    alone_step,
    enrolled_step,
    few_shot_step,
    prepare_step,
    rows_of,
    systems_step,
)
from seq.studies.published import comparison
from seq.studies.systems import choose_systems, systems_report
from seq.tasks.registry import main_task
from seq.unified.report import corpora_tables, plot_matrix
from seq.utils.files import atomic_path, read_json


def ablation_section(corpora: Mapping[str, Corpus], scratch: Corpus | None, nj: int, root: Path) -> Section | None:
    """The ablation over tasks: every row on every corpus.

    Args:
        scratch: the first corpus with the network that is trained from scratch; its outer rows.
    """
    here = [corpora[name] for name in ABLATED if name in corpora]
    if not here:
        return None
    shown = [(corpus, False, ablation_step(corpus, nj)) for corpus in here]
    if scratch is not None:
        shown.append((scratch, True, ablation_step(scratch, nj, rows="outer")))
    steps = [step for corpus, _, ablation in shown for step in (prepare_step(corpus, nj), ablation)]

    def body() -> str:
        column = leading_columns(main_task())[0]
        parts, drawn = [], {}
        for corpus, outer, step in shown:
            rows = rows_of(corpus, outer)
            recipe, prefix = corpus.recipe, corpus.recipe.conf.model_name
            parts.append(ablation_report(recipe, rows, prefix, str(step), []).replace("# ", "### ", 1))
            drawn[f"{corpus.name}, {prefix}"] = differences(ablation_scores(recipe, rows, prefix), column)
        path = root / FIGURES / "ablation.png"
        plot_differences(drawn, column.metric, path)
        caption = f"{column.metric} beside {main_task().name} alone, 95 % intervals over speakers"
        return "\n".join([*parts, f"![{caption}]({FIGURES}/ablation.png)"])

    def experiments() -> list[Path]:
        return [
            corpus.recipe.exp_dir(row.exp_name(corpus.recipe.conf.model_name, corpus.recipe.protocol.name))
            for corpus, outer, _ in shown
            for row in rows_of(corpus, outer)
            if not row.missing
        ]

    return Section("ablation", "Ablation over tasks", steps, body, experiments)


def unified_sections(
    corpora: Mapping[str, Corpus], unified: Recipe, overrides: Sequence[str], nj: int, root: Path
) -> list[Section]:
    """Joint training beside each corpus alone, and the matrix of training on one corpus and testing on another."""
    here = [corpora[name] for name in UNIFIED if name in corpora]
    if len(here) < 2:
        return []
    listed = ", ".join(f"{{name: {c.name}, protocol: {c.recipe.protocol.name}}}" for c in here)
    partial = ("--allow-partial",) if any("--allow-partial" in corpus.options for corpus in here) else ()
    options = (*partial, *overrides, "--set", f"unified.corpora=[{listed}]", "--nj", str(nj))
    together = sum(corpus.seconds("none", [0], 1) for corpus in here)

    def joint_step(protocol: str, folds: int, share: float) -> Step:
        own = replace(unified, protocol=unified.conf.protocol(protocol))
        joint = Corpus(own, options)
        left = 0.0 if (joint.own_exp() / "scores.json").exists() else folds * share * together
        return Step(joint.run("--protocol", protocol), left)

    def exp_dir(protocol: str) -> Path:
        return unified.exp_dir(experiment_name(unified.conf.model_name, protocol))

    def read(protocol: str) -> Scores:
        return read_scores(exp_dir(protocol) / "scores.json")

    def joint_body() -> str:
        scores = read(JOINT)
        return "\n".join([*header_lines(scores), "", "\n\n".join(corpora_tables(scores)), "", main_table(scores)])

    def matrix_body() -> str:
        parts = []
        for protocol in (CROSS, LEAVE_ONE_OUT):
            scores = read(protocol)
            parts += [f"### {protocol}\n", *header_lines(scores), "", "\n\n".join(corpora_tables(scores)), ""]
            if "matrix" in (corpora_scores := scores.get("corpora") or {}):
                plot_matrix(corpora_scores["matrix"], root / FIGURES / "cross_corpus.png")
                parts.append(f"![trained on one corpus, tested on another]({FIGURES}/cross_corpus.png)\n")
        return "\n".join(parts)

    num_folds = max(len(corpus.recipe.protocol.folds) for corpus in here)
    return [
        Section(
            "unified",
            "Several corpora, one model",
            [*(alone_step(corpus, nj) for corpus in here), joint_step(JOINT, num_folds, 1.0)],
            joint_body,
            lambda: [*(corpus.own_exp() for corpus in here), exp_dir(JOINT)],
        ),
        Section(
            "cross-corpus",
            "Trained on one corpus, tested on another",
            [
                *(prepare_step(corpus, nj) for corpus in here),
                joint_step(CROSS, 1, 1.0),
                joint_step(LEAVE_ONE_OUT, len(here) - 1, 1.0),
            ],
            matrix_body,
            lambda: [exp_dir(CROSS), exp_dir(LEAVE_ONE_OUT)],
        ),
    ]


def few_shot_section(corpora: Mapping[str, Corpus], overrides: Sequence[str], nj: int, root: Path) -> Section | None:
    """From each of the first two corpora to the other's speakers, and to unheard ones of its own."""
    here = [corpora[name] for name in ABLATED if name in corpora][:2]
    if not here:
        return None
    pairs = [(source, target) for source in here for target in (*(c for c in here if c is not source), source)]
    studies = [few_shot_step(source, target, overrides, nj) for source, target in pairs]

    def body() -> str:
        parts = []
        for _, folder in studies:
            result = read_json(folder / "few_shot.json")
            name = f"{folder.parents[1].name}_{folder.name}"
            with atomic_path(root / FIGURES / f"{name}.png") as temporary:
                shutil.copyfile(folder / "few_shot.png", temporary)
            keep_packed(folder / "few_shot.json", folder.parents[1] / "results" / folder.name / "few_shot.json.gz")
            text = few_shot_report(result).replace("# ", "### ", 1)
            parts.append(f"{text}\n![few-shot]({FIGURES}/{name}.png)\n")
        return "\n".join(parts)

    steps = [step for corpus in here for step in (prepare_step(corpus, nj), alone_step(corpus, nj))]
    return Section("few-shot", "A few labelled utterances", [*steps, *(step for step, _ in studies)], body)


def enrolled_section(corpora: Mapping[str, Corpus], overrides: Sequence[str], nj: int) -> Section | None:
    """What their own clips do for the test speakers of the first corpus."""
    corpus = next((corpora[name] for name in ABLATED if name in corpora), None)
    if corpus is None:
        return None
    step, folder = enrolled_step(corpus, overrides)

    def body() -> str:
        keep_enrolled(folder)
        return enrolled_block(read_json(folder / f"{PROTOCOL}.json"))

    return Section(PROTOCOL, TITLE, [prepare_step(corpus, nj), alone_step(corpus, nj), step], body)


def systems_section(corpora: Mapping[str, Corpus], nj: int) -> Section | None:
    """Systems of others beside ours, on the first corpus."""
    corpus = next((corpora[name] for name in ABLATED if name in corpora), None)
    if corpus is None:
        return None
    recipe, systems = corpus.recipe, choose_systems([], corpus.recipe.conf.model_name)
    step = systems_step(corpus, systems, nj)

    def body() -> str:
        return systems_report(recipe, systems, str(step)).replace("# ", "### ", 1)

    def experiments() -> list[Path]:
        return [recipe.exp_dir(s.exp_name(recipe.protocol.name)) for s in systems if not s.missing]

    return Section("systems", "Systems of others beside ours", [prepare_step(corpus, nj), step], body, experiments)


def published_section(egs: Path) -> Section:
    """Published figures beside whatever of ours there is."""

    def body() -> str:
        text = comparison(egs, {}, with_public=True)
        return text.split("\n", 2)[2].replace("\n## ", "\n### ")

    return Section("published", "Ours beside published figures", [], body)


def all_sections(
    corpora: Mapping[str, Corpus],
    scratch: Corpus | None,
    unified: Recipe,
    overrides: Sequence[str],
    nj: int,
    root: Path,
) -> list[Section]:
    """All that the corpora at hand allow, in the order of RESULTS.md.

    Args:
        unified: egs/unified with the model of `corpora`.
        overrides: `--set KEY=VALUE` of the command line, as its words.
        root: the repository's.
    """
    first = ablation_section(corpora, scratch, nj, root)
    more = (
        few_shot_section(corpora, overrides, nj, root),
        enrolled_section(corpora, overrides, nj),
        systems_section(corpora, nj),
    )
    return [
        *([first] if first else []),
        *unified_sections(corpora, unified, overrides, nj, root),
        *(section for section in more if section is not None),
        published_section(root / "egs"),
    ]

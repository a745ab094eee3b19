#!/usr/bin/env python3
"""The tables of RESULTS.md: ablation over tasks, several corpora as one, cross-corpus, published figures beside ours.

Usage:   local/reproduce_paper.sh [--corpus ravdess=DIR] [--corpus nemo=DIR ...] [--allow-partial nemo] [--nj N] \\
             [--model whisper-tiny.en] [--set model.pretrained.path=DIR] [--only ablation,unified] [--dry-run]
In:      corpora that are named, or that stage 0 of their recipe has found before; egs/synth makes its own
Out:     the experiments in egs/<corpus>/exp, as run.sh writes them; --results (RESULTS.md) with a block per section,
         docs/figures, and egs/<corpus>/results/<name>, to be committed with it
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from seq.conf import load_conf
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.report.kept_results import keep_results
from seq.studies.paper_plan import ENCODER_MODEL, SCRATCH_MODEL, Section, estimate, find_corpora
from seq.studies.paper_sections import all_sections
from seq.utils.markdown_text import replace_block
from seq.utils.script import run_main

ROOT = Path(__file__).resolve().parent.parent


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", action="append", default=[], metavar="NAME=DIR", help="where a corpus is")
    parser.add_argument("--allow-partial", default="", metavar="NAME,NAME", help="corpora of which a part is here")
    parser.add_argument("--model", default=ENCODER_MODEL, help=f"a file of local/conf (default: {ENCODER_MODEL})")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                        help="override a value of the conf, such as where the encoder is")  # fmt: skip
    parser.add_argument("--no-scratch", action="store_true", help="without the rows that are trained from scratch")
    parser.add_argument("--only", default="", metavar="SECTION,...", help="these sections alone")
    parser.add_argument("--nj", type=int, default=os.cpu_count() or 1, help="runs side by side (default: the cores)")
    parser.add_argument("--results", type=Path, default=ROOT / "RESULTS.md")
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and how long it would take")
    return parser.parse_args()


def main() -> int:
    """Say what there is to do and how long it takes; do it, section by section."""
    args = parse()
    egs = ROOT / "egs"
    given = {}
    for text in args.corpus:
        name, _, folder = text.partition("=")
        if not folder or not Path(folder).is_dir():
            raise InputError(f"--corpus {text}: write it as NAME=DIR, with a folder that is there")
        given[name] = Path(folder).resolve()
    partial = [name for name in args.allow_partial.split(",") if name]
    corpora = find_corpora(egs, args.model, given, partial, args.overrides)
    scratch = None if args.no_scratch else find_corpora(egs, SCRATCH_MODEL, given, partial, []).get("ravdess")
    conf = load_conf(egs / "unified/conf/default.yaml", list(args.overrides), args.model)
    unified = Recipe(egs / "unified", conf, conf.protocol())
    words = [word for override in args.overrides for word in ("--set", override)]
    sections = all_sections(corpora, scratch, unified, words, args.nj, ROOT)
    wanted = [name for name in args.only.split(",") if name]
    if unknown := [name for name in wanted if name not in [section.name for section in sections]]:
        known = ", ".join(section.name for section in sections)
        raise InputError(f"--only {unknown[0]}: the corpora at hand ({', '.join(corpora)}) allow {known}")
    sections = [section for section in sections if not wanted or section.name in wanted]
    print(f"corpora at hand: {', '.join(corpora)}\n{estimate(sections, args.nj)}", flush=True)
    for section in sections:
        for step in section.steps:
            print(f"{section.name}: {step}", flush=True)
        if not args.dry_run and (status := make(section, args.results)):
            return status
    return 0


def make(section: Section, results: Path) -> int:
    """Run the commands of a section, then write its block; returns the exit code of a command that failed."""
    for step in section.steps:
        print(f"--- {step}", flush=True)
        if status := subprocess.run(step.command, cwd=ROOT, check=False).returncode:
            print(f"{section.name}: stopped; run the same command again to go on", file=sys.stderr)
            return status
    kept = [keep_results(exp_dir / "scores.json", exp_dir) for exp_dir in section.experiments()]
    replace_block(results, section.name, f"## {section.title}\n\n{section.body()}")
    print(f"{results}: {section.name}; to be committed with {len(kept)} folders of results", flush=True)
    return 0


if __name__ == "__main__":
    run_main(main)

"""Arguments of `speecheq finetune`; what is heavy is imported when it runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from seq.errors import InputError
from seq.utils.option_types import positive_float, positive_int
from seq.utils.outputs import out_path


def add_finetune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "finetune",
        help="go on training a model folder on your own labelled files",
        description="Deals your speakers to train, valid and test, goes on training from the model on train, takes the "
        "epoch that is best on valid, and compares before and after on test. Run again after a kill, it goes on.",
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", type=Path, help="a model folder, written by speecheq export")
    parser.add_argument(
        "--corpus",
        metavar="CSV",
        type=Path,
        required=True,
        help="a table with the columns path, speaker, emotion; if you have them, gender, intensity, text",
    )
    parser.add_argument("--out", metavar="DIR", type=out_path, required=True, help="the model folder to write")
    parser.add_argument(
        "--work",
        metavar="DIR",
        type=out_path,
        help="features, checkpoints, history, scores (default: the one of --out, .work)",
    )
    parser.add_argument("--epochs", metavar="N", type=positive_int, help="passes over train (default: 15)")
    parser.add_argument("--learning-rate", metavar="X", type=positive_float, help="at its highest (default: 0.0003)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the split and of training (default: 0)")
    add_map(parser)
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a value of the conf, such as train.num_threads=4",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--jobs", type=positive_int, default=1, help="processes that read audio (default: 1)")
    parser.set_defaults(run=_finetune)


def _finetune(options: argparse.Namespace) -> int:
    from seq.finetune.run import Request, finetune

    if not 0 <= options.seed < 10**9:
        raise InputError(f"--seed {options.seed}: a number from 0 to {10**9 - 1}")
    overrides = [
        f"{key}={value}"
        for key, value in (("train.num_epochs", options.epochs), ("train.learning_rate", options.learning_rate))
        if value is not None
    ]
    out = Path(os.path.realpath(options.out))
    if not out.name:
        raise InputError(f"--out {options.out} is the root of all folders: name a new folder")
    request = Request(
        model=options.model,
        corpus=options.corpus,
        out=options.out,
        work=options.work or out.with_name(f"{out.name}.work"),
        seed=options.seed,
        mapping=dict(options.map),
        overrides=[*overrides, *options.set],
        device=options.device,
        num_jobs=options.jobs,
        command=options.command,
    )
    print(finetune(request))
    print(f"\n{request.out}: the finetuned model; try: speecheq predict {request.out} recording.wav")
    return 0


def add_map(parser: argparse.ArgumentParser) -> None:
    """Add --map, which gives pairs of a word and its category."""
    parser.add_argument(
        "--map",
        metavar="WORD=CATEGORY",
        type=_pair,
        action="append",
        default=[],
        help="a word of your labels, and the category that it stands for",
    )


def _pair(text: str) -> tuple[str, str]:
    word, separator, category = (part.strip() for part in text.rpartition("="))
    if not separator or not word or not category:
        raise InputError(f"--map {text}: write it as WORD=CATEGORY, for example joy=happy")
    return word, category

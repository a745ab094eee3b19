"""Finetuning from end to end, out of the stages that recipes are made of; killed at any moment, it goes on when rerun.

The work folder is laid out as a recipe is: data/ (manifests, features, split, transcripts), exp/before and
exp/finetuned, each with one run, its predictions and scores.json.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seq.conf import ProtocolConf, conf_to_dict
from seq.decode.run import decode_parts, decode_run
from seq.errors import InputError, name_some
from seq.export.run import check_out, export_run
from seq.finetune.comparison import Scores, comparison_table, verdict
from seq.finetune.corpus import prepare_data, prepare_phones, read_own_corpus
from seq.finetune.source import Source, grow, open_source, silence_new_classes, write_start
from seq.finetune.split import PROTOCOL, prepare_split, split_speakers, table_split, with_protocol
from seq.recipe.recipe import Recipe
from seq.report.report import header_lines
from seq.runtime.folder import DESCRIPTION
from seq.score.score import score_experiment
from seq.score.types import metric, task_scores
from seq.tasks.base import Setting
from seq.tasks.registry import all_tasks
from seq.train.device import pick_device
from seq.train.experiment import Experiment
from seq.train.run import train_run
from seq.train.start import Start
from seq.utils.files import read_json, remove_leftovers, write_json, write_text
from seq.utils.lock import run_lock
from seq.utils.outputs import check_out_place

MARKER = "finetune.json"
FOLD = 1


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    model: Path
    corpus: Path
    out: Path
    work: Path
    seed: int = 0
    # Words of the table's emotion column, and the categories that they stand for.
    mapping: dict[str, str] = field(default_factory=dict)
    # section.key=value.
    overrides: list[str] = field(default_factory=list)
    device: str = "auto"
    num_jobs: int = 1
    command: str = ""


def finetune(request: Request) -> str:
    """Finetune a model folder, write the new one, and return the comparison on test as Markdown.

    Raises:
        InputError: the model, the table, its audio, an option, or a folder to write is not what it should be.
    """
    source = open_source(request.model, request.overrides)
    _check_folders(request, source)
    own = read_own_corpus(request.corpus, request.mapping)
    names = list(source.spec.outputs)
    if not own.is_labelled(names):
        raise InputError(f"{request.model} names {', '.join(names)}, and {own.table} labels none of it")
    emotions = source.emotions_with(own.emotions())
    conf = source.conf(own.conf, request.overrides)
    with run_lock(request.work / MARKER):
        remove_leftovers(request.work)
        origin = {"model": source.description["sha256"], "corpus": str(own.table), "command": request.command}
        write_json(request.work / MARKER, origin)
        recipe = Recipe(request.work.resolve(), conf, ProtocolConf(PROTOCOL, "", emotions))
        prepare_data(recipe, own, request.num_jobs, str(pick_device(request.device)))
        split = (
            table_split(recipe.cuts, emotions) if own.has_split else split_speakers(recipe.cuts, emotions, request.seed)
        )
        recipe = with_protocol(recipe, split)
        prepare_split(recipe)
        spec = source.spec_for(Setting(recipe.protocol, own.conf))
        prepare_phones(recipe, spec)
        start = write_start(source, spec, request.seed, request.work / "start.safetensors")
        before = _score_before(request, recipe, source, start)
        start = replace(start, about=_about(source, emotions, before))
        after = _train_and_score(request, recipe, start)
        export_run(_experiment(request, recipe, start, "finetuned").run_dir(FOLD, request.seed), request.out)
        text = report(before, after)
        write_text(request.work / "report.md", f"# {conf.corpus.name}: before and after finetuning\n\n{text}\n")
    return text


def _check_folders(request: Request, source: Source) -> None:
    """Refuse to write where something else is, before hours are spent. Raises InputError naming the folder."""
    check_out(request.out)
    check_out_place("--work", request.work)
    if request.out.resolve() == request.model.resolve():
        raise InputError(f"--out {request.out} is the model that is to be finetuned: name another folder")
    description = request.out / DESCRIPTION
    if description.is_file():
        origin = read_json(description).get("finetuned_from") or {}
        if origin.get("sha256") != source.description["sha256"]:
            raise InputError(f"--out {request.out} holds another model: name a new folder, or remove it")
    work = request.work
    if request.out.resolve() in (work.resolve(), *work.resolve().parents):
        raise InputError(f"--work {work} is in --out, which becomes a model folder and nothing else: name another one")
    if work.exists() and not work.is_dir():
        raise InputError(f"--work {work} is a file: name a folder")
    names = [path.name for path in work.iterdir()] if work.is_dir() else []
    if names and not any(MARKER in name for name in names):
        raise InputError(f"--work {work} holds other things than a finetuning: name a new or an empty folder")
    for option, folder in (("--out", request.out), ("--work", work)):
        existing = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise InputError(f"{option} {folder}: {existing} cannot be written: choose another place")


def _experiment(request: Request, recipe: Recipe, start: Start, name: str) -> Experiment:
    return Experiment(
        conf=recipe.conf,
        protocol=recipe.protocol,
        tasks=list(start.spec.outputs),
        cuts=recipe.features,
        folds_dir=recipe.folds_dir,
        lang_dir=recipe.lang_dir,
        exp_dir=recipe.exp_dir(name),
        device=request.device,
        command=request.command,
        start=start,
    )


def _score_before(request: Request, recipe: Recipe, source: Source, start: Start) -> Scores:
    """Decode and score the model as it came: it has a probability of 0 for the classes that it lacks."""
    experiment = _experiment(request, recipe, start, "before")
    model = silence_new_classes(grow(source.model, start.spec, request.seed), source.spec)
    fold = experiment.load_fold(FOLD)
    decode_parts(experiment, model, experiment.open_lang(fold.train), fold, request.seed)
    return _score(request, recipe, experiment)


def _train_and_score(request: Request, recipe: Recipe, start: Start) -> Scores:
    experiment = _experiment(request, recipe, start, "finetuned")
    write_json(experiment.exp_dir / "conf.json", conf_to_dict(recipe.conf))
    train_run(experiment, FOLD, request.seed)
    decode_run(experiment, FOLD, request.seed)
    return _score(request, recipe, experiment)


def _score(request: Request, recipe: Recipe, experiment: Experiment) -> Scores:
    scores = score_experiment(
        recipe.conf,
        PROTOCOL,
        recipe.cuts,
        recipe.folds_dir,
        experiment.exp_dir,
        folds=[FOLD],
        seeds=[request.seed],
        command=request.command,
        corpus_json=recipe.corpus_json,
    )
    write_json(experiment.exp_dir / "scores.json", scores)
    return scores


def _about(source: Source, emotions: list[str], before: Scores) -> dict[str, Any]:
    """What the new model folder says of the one that it comes from."""
    description = source.description
    pooled, scored = before["pooled"], [task for task in all_tasks() if task_scores(before["pooled"], task.name)]
    return {
        "name": source.folder.resolve().name,
        "sha256": description["sha256"],
        "corpus": description["corpus"],
        "protocol": description["protocol"]["name"],
        "new_emotions": [name for name in emotions if name not in source.emotions_with(set())],
        # As `seq.train.validation.valid_scores` has them.
        "test": {
            task.name: {
                c.metric: value for c in task.columns if (value := metric(pooled, task.name, c.metric)) is not None
            }
            for task in scored
        },
        "finetuned_from": description.get("finetuned_from"),
    }


def report(before: Scores, after: Scores) -> str:
    """Header, table and verdict as Markdown."""
    speakers = sorted(
        {name for block in after["pooled"].values() if isinstance(block, dict) for name in block.get("speakers", ())}
    )
    who = f"{len(speakers)} speaker{'s' * (len(speakers) != 1)}"
    apart = after["protocol"]["speaker_disjoint"]
    known = "none of whom is in train or valid" if apart else "SOME OF WHOM ARE IN TRAIN OR VALID, TOO"
    return "\n\n".join(
        [
            "\n".join(header_lines(after)),
            f"Before and after on the same {after['pooled']['num_utterances']} test utterances of {who} "
            f"({name_some(speakers)}), {known}:",
            comparison_table(before, after),
            verdict(before, after),
        ]
    )

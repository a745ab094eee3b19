"""The stages of a recipe: what of the conf each reads, which files it reads and writes, and what it is told.

local/run.sh lists them with their numbers and scripts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from seq.conf import NO_WEIGHTS, WEIGHTS, ProtocolConf
from seq.recipe.files import RecipeFiles
from seq.recipe.options import Options
from seq.recipe.plan import Plan, Unit, commas
from seq.recipe.stamps import Work
from seq.utils.run_folder import RunFolder


@dataclass(frozen=True)
class Call:
    """One call of run.sh: what it works on, its options, and how it was typed."""

    plan: Plan
    options: Options
    command: str

    def exp_stamp(self, name: str) -> Path:
        """The stamp of a stage that works in the experiment's folder."""
        return self.plan.experiment / f".stages/{name}.json"

    def sibling_files(self) -> list[Path]:
        """What is read of the recipes that egs/unified combines."""
        return [path for sibling in self.plan.siblings for path in sibling.inputs()]


def data_stamps(recipe: RecipeFiles, encoder: str) -> dict[str, Path]:
    """The stamps of the stages up to the features, which egs/unified reads, too, by the stage's name."""
    names = {"corpus": "0_corpus", "manifests": "1_manifests", "features": "2_features" + f".{encoder}" * bool(encoder)}
    return {stage: recipe.data_stamp(name) for stage, name in names.items()}


def _corpus(call: Call) -> Work:
    plan, options = call.plan, call.options
    reader_arguments = [part for name, value in options.reader.items() for part in (f"--{name}", value)]
    return Work(
        data_stamps(plan, plan.encoder)["corpus"],
        inputs=[*(Path(value) for value in options.reader.values() if Path(value).exists()), *call.sibling_files()],
        outputs=[plan.corpus_json, plan.audio_table],
        arguments=["--corpus-dir", options.corpus_dir, "--data-dir", plan.data_dir,
                   "--out", plan.corpus_json, "--audio-table", plan.audio_table, *options.workers,
                   *(["--allow-partial"] if options.allow_partial else []), *reader_arguments],
        options={"corpus-dir": options.corpus_dir, **options.reader},
        tree_of=plan.corpus_json,
    )  # fmt: skip


def _manifests(call: Call) -> Work:
    plan = call.plan
    return Work(
        data_stamps(plan, plan.encoder)["manifests"],
        inputs=[plan.corpus_json, plan.audio_table, *call.sibling_files()],
        outputs=[plan.cuts],
        arguments=["--corpus-json", plan.corpus_json, "--audio-table", plan.audio_table, "--out", plan.cuts],
    )


def _features(call: Call) -> Work:
    plan = call.plan
    storage = plan.feature_storage(plan.encoder)
    return Work(
        data_stamps(plan, plan.encoder)["features"],
        inputs=[plan.cuts, *call.sibling_files()],
        outputs=[plan.features, storage],
        arguments=["--cuts", plan.cuts, "--out", plan.features, "--storage", storage,
                   *call.options.workers, "--device", call.options.device],
    )  # fmt: skip


def _folds(call: Call) -> Work:
    plan = call.plan
    return Work(
        plan.data_stamp(f"3_folds.{plan.protocol}"),
        inputs=[plan.cuts, plan.corpus_json, *call.sibling_files()],
        outputs=[plan.folds_dir / "folds.json"],
        arguments=["--cuts", plan.cuts, "--corpus-json", plan.corpus_json, "--protocol", plan.protocol,
                   "--out-dir", plan.folds_dir],
    )  # fmt: skip


def _lang(call: Call) -> Work:
    plan = call.plan
    return Work(
        plan.data_stamp("4_lang"),
        inputs=[plan.cuts],
        outputs=[plan.lang_dir / "tokens.txt", plan.lang_dir / "text"],
        arguments=["--cuts", plan.cuts, "--lang-dir", plan.lang_dir],
    )


def _network(call: Call, unit: Unit, stamp: str) -> Work:
    """What training and decoding one fold and seed have in common."""
    plan, options = call.plan, call.options
    fold, seed = unit
    return Work(
        call.exp_stamp(f"{stamp}.fold_{fold}.seed_{seed}"),
        inputs=[plan.features, plan.fold_json(fold), plan.lang_dir / "tokens.txt",
                plan.lang_dir / "text"],
        outputs=[],
        arguments=["--protocol", plan.protocol, "--tasks", commas(plan.tasks), "--cuts", plan.features,
                   "--folds-dir", plan.folds_dir, "--lang-dir", plan.lang_dir, "--exp-dir", plan.experiment,
                   *options.workers, "--device", options.device, "--command", call.command],
        options={"tasks": commas(plan.tasks)},
    )  # fmt: skip


def _train(call: Call, unit: Unit) -> Work:
    run, work = RunFolder.of(call.plan.experiment, *unit), _network(call, unit, "5_train")
    inputs = [*work.inputs, *call.plan.lessons(unit[0])]
    arguments = [*work.arguments, "--gpus", str(call.options.gpus)]
    return replace(work, inputs=inputs, outputs=[run.best, run.last, run.history], arguments=arguments)


def _decode(call: Call, unit: Unit) -> Work:
    run, work = RunFolder.of(call.plan.experiment, *unit), _network(call, unit, "6_decode")
    inputs = [*work.inputs, run.best, run.history]
    return replace(work, inputs=inputs, outputs=[run.predictions, run.valid_predictions])


def _score(call: Call) -> Work:
    plan = call.plan
    folds, seeds = commas(plan.folds), commas(plan.seeds)
    return Work(
        call.exp_stamp("7_score"),
        inputs=[plan.cuts, *(plan.fold_json(fold) for fold in plan.folds),
                *(RunFolder.of(plan.experiment, *unit).predictions for unit in plan.units()),
                *(path for sibling in plan.siblings if (path := sibling.own_scores(plan.alone)).exists())],
        outputs=[plan.experiment / "scores.json"],
        arguments=["--protocol", plan.protocol, "--cuts", plan.cuts, "--folds-dir", plan.folds_dir,
                   "--exp-dir", plan.experiment, "--folds", folds, "--seeds", seeds, "--command", call.command,
                   "--out", plan.experiment / "scores.json"],
        options={"folds": folds, "seeds": seeds},
    )  # fmt: skip


def _report(call: Call) -> Work:
    scores, report = call.plan.experiment / "scores.json", call.plan.experiment / "report.md"
    return Work(
        call.exp_stamp("8_report"),
        inputs=[scores],
        outputs=[report],
        arguments=["--scores", scores, "--exp-dir", call.plan.experiment, "--out", report],
    )


@dataclass(frozen=True)
class Stage:
    """One stage; raise `version` when its code changes what it writes from the same inputs."""

    # Keys of the conf that it reads: sections or dotted keys; "protocol" is the chosen one.
    reads: tuple[str, ...]
    # Its work as a whole, or, for a stage that is done fold by fold and seed by seed, that of a unit.
    work: Callable[[Call], Work] | None = None
    unit_work: Callable[[Call, Unit], Work] | None = None
    version: int = 1
    # Of the keys that it reads, those that change nothing of what it writes.
    ignores: tuple[str, ...] = ()
    # What it reads beside that where the model has a pretrained encoder.
    encoder_reads: tuple[str, ...] = ()


# What of a protocol decides who is where; its description does not.
_SPLIT: Final = tuple(f"protocol.{f.name}" for f in fields(ProtocolConf) if f.name != "description")
# What of a corpus is asked by training alone.
_TARGETS: Final = ("corpus.soft_labels",)
# What a pretrained encoder's frozen part says depends on.
_HEARD: Final = (*(f"model.pretrained.{key}" for key in ("name", "revision", "path", "trained_layers")),
                 *(f"augment.{key}" for key in ("speeds", "on_the_fly", "copies", "room_prob", "noise_prob",
                   "noise_snr_low", "noise_snr_high", "noise_dir", "band_prob")))  # fmt: skip

STAGES: Final = {
    "corpus": Stage(("corpus", "features.trim", "unified.corpora"), _corpus, version=3, ignores=_TARGETS),
    "manifests": Stage(("corpus", "features.trim", "unified.corpora"), _manifests, version=2, ignores=_TARGETS),
    "features": Stage(("features", "unified.corpora"), _features, version=2, encoder_reads=_HEARD),
    "folds": Stage(("corpus.name", "unified.corpora", *_SPLIT), _folds),
    "lang": Stage(("lang",), _lang),
    "train": Stage(WEIGHTS, unit_work=_train, ignores=NO_WEIGHTS),
    "decode": Stage((*WEIGHTS, "decode"), unit_work=_decode, version=2, ignores=NO_WEIGHTS),
    "score": Stage(("corpus", "protocol", "unified"), _score, version=2, ignores=_TARGETS),
    "report": Stage((), _report, version=3),
}

"""What local/reproduce_paper.sh runs: the sections of RESULTS.md that the corpora at hand allow, and their time.

Every experiment is made by a recipe's run.sh or by a command of local/, so that what is finished is not done again.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seq.conf import ProtocolConf, load_conf
from seq.errors import InputError
from seq.recipe.files import experiment_name
from seq.recipe.recipe import Recipe
from seq.studies.ablation import AblationRow, ablation_rows, labelled_tasks
from seq.studies.enrolled_report import PROTOCOL
from seq.studies.systems import System
from seq.tasks.registry import default_names, in_order
from seq.utils.files import read_json
from seq.utils.run_folder import RunFolder

# Corpora whose ablation is run where they are at hand; the first has more seeds in its outer rows, and rows of a
# network that is trained from scratch.
ABLATED: Final = ("ravdess", "nemo", "casia", "esd", "iemocap")
MAIN_SEEDS: Final = (0, 1, 2)
UNIFIED: Final = ("ravdess", "nemo", "synth")
ENCODER_MODEL: Final = "whisper-tiny.en"
SCRATCH_MODEL: Final = "scratch"
# Seconds of one core for an utterance in an epoch of training with all tasks, measured on RAVDESS and an Intel Xeon of
# 2.8 GHz; where a run of the same model is finished, what it took counts instead.
COST: Final = {SCRATCH_MODEL: 0.04}
FROZEN_COST: Final = 0.01
# Of a few-shot study, for an utterance that is scored.
FEW_SHOT_COST: Final = 1.0
# Of the study of known speakers, for an utterance of the corpus: every fold hears it.
ENROLLED_COST: Final = 0.2


@dataclass(frozen=True)
class Step:
    """One command, and how many seconds of one core it still takes, roughly."""

    command: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        return shlex.join(self.command)


@dataclass(frozen=True)
class Section:
    """A block of RESULTS.md."""

    name: str
    title: str
    steps: list[Step]
    # Made when all steps are done: the text under the title, and the figures it needs.
    body: Callable[[], str]
    # Experiments whose scores and predictions are committed beside the recipe, when all steps are done.
    experiments: Callable[[], list[Path]] = list


@dataclass(frozen=True)
class Corpus:
    """A corpus at hand: its recipe with a model, options for whatever runs on it, and the seeds of its main rows."""

    recipe: Recipe
    options: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    # Where it was said to be; None: stage 0 knows, or makes it.
    folder: Path | None = None

    @property
    def name(self) -> str:
        """The name of its recipe."""
        return self.recipe.folder.name

    def run(self, *options: str) -> tuple[str, ...]:
        """A command of its run.sh, as one would type it in the repository's root."""
        model = self.recipe.conf.model_name
        place = () if self.folder is None else ("--corpus-dir", str(self.folder))
        return (f"egs/{self.name}/run.sh", "--model", model, *place, *self.options, *options)

    def seconds(self, exp_name: str, seeds: Sequence[int], num_folds: int | None = None) -> float:
        """What the runs of an experiment that are not finished take on one core."""
        exp_dir = self.recipe.exp_dir(exp_name)
        total = num_folds or count_folds(self.recipe.protocol)
        done = [run for run in RunFolder.finished(exp_dir) if run.fold_and_seed()[1] in seeds]
        missing = max(0, total * len(seeds) - len(done))
        known = [read_json(run.run_json)["wall_seconds"] for run in done or RunFolder.finished(self.own_exp())]
        return missing * (sum(known) / len(known) if known else self._guess())

    def own_exp(self) -> Path:
        """The experiment with all tasks."""
        return self.recipe.exp_dir(experiment_name(self.recipe.conf.model_name, self.recipe.protocol.name))

    def _guess(self) -> float:
        conf = self.recipe.conf
        return COST.get(conf.model_name, FROZEN_COST) * self.num_utterances * conf.train.num_epochs

    @property
    def num_utterances(self) -> int:
        """Those that are here, once stage 0 has counted them; before, those of a complete copy."""
        if self.recipe.corpus_json.exists():
            return read_json(self.recipe.corpus_json)["num_files"]
        return self.recipe.conf.corpus.num_utterances or 1000


def count_folds(protocol: ProtocolConf) -> int:
    """The folds of a protocol; a partial copy of the corpus may have fewer."""
    return protocol.random.num_folds if protocol.random else len(protocol.folds)


def find_corpora(
    egs: Path, model: str, given: dict[str, Path], partial: Sequence[str], overrides: Sequence[str]
) -> dict[str, Corpus]:
    """The corpora of `ABLATED` and `UNIFIED` that are at hand: given, or found by stage 0 before, or made (synth).

    Raises:
        InputError: a corpus is given that is not one of them.
    """
    known = dict.fromkeys((*ABLATED, *UNIFIED))
    if unknown := [name for name in (*given, *partial) if name not in known]:
        raise InputError(f"--corpus {unknown[0]}: there are tables for {', '.join(known)}")
    found = {}
    for name in known:
        conf = load_conf(egs / name / "conf/default.yaml", list(overrides), model)
        recipe = Recipe(egs / name, conf, conf.protocol())
        if name in given or name == "synth" or recipe.corpus_json.exists():
            options = ["--allow-partial"] if name in partial or _is_partial(recipe) else []
            options += [part for override in overrides for part in ("--set", override)]
            seeds = MAIN_SEEDS if name == ABLATED[0] and model != SCRATCH_MODEL else (0,)
            found[name] = Corpus(recipe, tuple(options), seeds, given.get(name))
    return found


def _is_partial(recipe: Recipe) -> bool:
    return recipe.corpus_json.exists() and bool(read_json(recipe.corpus_json).get("partial"))


def rows_of(corpus: Corpus, outer: bool = False) -> list[AblationRow]:
    """The rows of a corpus's ablation, or the first and the last: what it has labels for is seen once it is prepared.

    Before, all that its conf does not exclude counts.
    """
    recipe, conf = corpus.recipe, corpus.recipe.conf.corpus
    if recipe.cuts.exists() and (recipe.lang_dir / "text").exists():
        labelled = labelled_tasks(recipe)
    else:
        rated = {task.name: task.kind != "scale" or conf.intensities for task in in_order(default_names())}
        labelled = {name for name, is_rated in rated.items() if is_rated or name in conf.scales}
    rows = ablation_rows(labelled)
    return [rows[0], rows[-1]] if outer else rows


def prepare_step(corpus: Corpus, nj: int) -> Step:
    """Stages 0 to 4 of one corpus."""
    return Step(corpus.run("--stop-stage", "4", "--nj", str(nj)), 0.0)


def alone_step(corpus: Corpus, nj: int) -> Step:
    """One corpus by itself, with all tasks."""
    seeds = ",".join(map(str, corpus.seeds))
    command = corpus.run("--seeds", seeds, "--nj", str(nj))
    return Step(command, corpus.seconds(corpus.own_exp().name, corpus.seeds))


def ablation_step(corpus: Corpus, nj: int, rows: str = "all") -> Step:
    """The ablation of one corpus that is prepared, and what of it is left."""
    model, protocol = corpus.recipe.conf.model_name, corpus.recipe.protocol.name
    command = ["local/run_ablation.py", "--recipe", f"egs/{corpus.name}", "--model", model, "--name", model]
    command += ["--nj", str(nj), "--rows", rows, "--outer-seeds", ",".join(map(str, corpus.seeds))]
    command += corpus.options
    found = [row for row in rows_of(corpus, outer=rows == "outer") if not row.missing]
    seconds = sum(
        corpus.seconds(row.exp_name(model, protocol), corpus.seeds if row in (found[0], found[-1]) else [0])
        for row in found
    )
    return Step(tuple(command), seconds)


def systems_step(corpus: Corpus, systems: Sequence[System], nj: int) -> Step:
    """The systems beside ours on one corpus that is prepared, and what of it is left."""
    command = ["local/run_systems.py", "--recipe", f"egs/{corpus.name}", "--model", corpus.recipe.conf.model_name]
    command += ["--own-seeds", ",".join(map(str, corpus.seeds)), "--nj", str(nj), *corpus.options]
    protocol, seconds = corpus.recipe.protocol.name, 0.0
    for system in systems:
        if system.model and not system.missing:
            seconds += corpus.seconds(system.exp_name(protocol), corpus.seeds if system is systems[0] else [0])
    return Step(tuple(command), seconds)


def few_shot_step(source: Corpus, target: Corpus, overrides: Sequence[str], nj: int) -> tuple[Step, Path]:
    """A few-shot study from the experiment of one corpus to the speakers of another, or its own; and its folder."""
    model = source.recipe.conf.model_name
    command = ["local/run_few_shot.py", "--recipe", f"egs/{source.name}", "--model", model, *overrides]
    command += ["--target", f"egs/{target.name}", "--nj", str(nj)]
    out = target.recipe.exp_dir(f"few_shot_{source.recipe.conf.corpus.name}_{source.own_exp().name}")
    left = 0.0 if (out / "few_shot.json").exists() else FEW_SHOT_COST * target.num_utterances
    return Step(tuple(command), left), out


def enrolled_step(corpus: Corpus, overrides: Sequence[str]) -> tuple[Step, Path]:
    """The study of known speakers on the experiment of one corpus; and its folder."""
    model = corpus.recipe.conf.model_name
    command = ("local/run_enrolled.py", "--recipe", f"egs/{corpus.name}", "--model", model, *overrides)
    out = corpus.recipe.exp_dir(f"{PROTOCOL}_{corpus.own_exp().name}")
    left = 0.0 if (out / f"{PROTOCOL}.json").exists() else ENROLLED_COST * corpus.num_utterances
    return Step(command, left), out


def estimate(sections: Sequence[Section], nj: int) -> str:
    """The plan: a line per section with what is left of it, and the sum over `nj` processes side by side.

    A command that several sections need counts in the first.
    """
    lines, counted = [], set[tuple[str, ...]]()
    total = 0.0
    for section in sections:
        left = sum(step.seconds for step in section.steps if step.command not in counted)
        counted |= {step.command for step in section.steps}
        total += left
        lines.append(f"  {section.name}: {len(section.steps)} commands, about {left / 60:.0f} minutes of one core left")
    return "\n".join([f"about {total / nj / 3600:.1f} hours with {nj} processes, and what features take:", *lines])

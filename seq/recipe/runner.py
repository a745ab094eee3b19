"""The runner of every recipe: which stages have to run, and running them.

What it imports before a stage runs costs milliseconds: the standard library and PyYAML.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, takewhile
from pathlib import Path

from seq.conf import conf_from_dict, read_conf
from seq.corpora.base import ReaderOption
from seq.corpora.record import read_corpus_json
from seq.data.fold_files import choose_folds
from seq.errors import InputError
from seq.models.pretrained.source import fetch_checkpoint
from seq.recipe.children import run_child
from seq.recipe.environment import ROOT, enter_environment
from seq.recipe.locks import RecipeLocks, recipe_locks
from seq.recipe.options import Options, parse_options, usage
from seq.recipe.plan import Unit, commas, group_units, reader_options, remembered_options, resolve_plan
from seq.recipe.stages import STAGES, Call, Stage, data_stamps
from seq.recipe.stamps import Work, begin, check, conf_values, fingerprint, record, stamped_version
from seq.utils.typed_yaml import select


@dataclass(frozen=True)
class Listed:
    """A stage as local/run.sh lists it."""

    number: int
    name: str
    script: Path
    about: str

    @classmethod
    def parse(cls, line: str) -> Listed:
        """`0 corpus prepare_corpus.py what it does`; the script is in local/."""
        number, name, script, about = line.split(maxsplit=3)
        return cls(int(number), name, ROOT / "local" / script, about)

    @property
    def stage(self) -> Stage:
        """What it reads and writes."""
        return STAGES[self.name]

    def __str__(self) -> str:
        return f"stage {self.number} {self.name}"


def run_recipe(recipe: Path, listed: Sequence[Listed], arguments: Sequence[str]) -> int:
    """Run the stages of a recipe that are asked for and not up to date; returns the exit code.

    Raises:
        InputError: an option is wrong, an input of a stage is missing, or the corpus is partial.
    """
    recipe = recipe.resolve()
    options, declared = parse_options(arguments, recipe / "conf/default.yaml", listed[-1].number, _reader_options)
    if options.help:
        lines = [f"{item.number} {item.name:<10} {item.about}" for item in listed]
        print(usage(recipe.name, lines, declared))
        return 0
    enter_environment()
    os.chdir(recipe)
    runner = Runner(recipe, listed, options, shlex.join([f"egs/{recipe.name}/run.sh", *arguments]))
    return runner.run()


def _reader_options(conf: Path) -> Sequence[ReaderOption]:
    try:
        return reader_options(conf)
    except ImportError as error:
        # Without an environment yet, this is no more than what that is for.
        enter_environment()
        raise InputError(f"the reader that {conf} names cannot be imported ({error}): install what it needs") from error


class Runner:
    """One call of run.sh, in the recipe's folder."""

    def __init__(self, recipe: Path, listed: Sequence[Listed], options: Options, command: str) -> None:
        self.recipe = recipe
        self.listed = listed
        raw = read_conf(options.conf, options.overrides, options.model or None)
        # Before anything else, whatever is up to date: a mistake in it must cost neither a stamp nor a download.
        self.conf = conf_from_dict(raw, f"conf {options.conf}")
        plan = resolve_plan(self.conf, options)
        self.call = Call(plan, options, command)
        self.values = conf_values(raw, plan.protocol)
        why = f"asked for by --stage {options.stage}" if options.stage is not None else None
        self.always = "asked for by --force" if options.force else why

    def run(self) -> int:
        """Stage after stage; returns the exit code of the first that fails."""
        self._fetch_encoder()
        plan, options = self.call.plan, self.call.options
        with recipe_locks(plan) as locks:
            reader = {**remembered_options(plan.corpus_json), **options.reader}
            self.call = replace(self.call, options=replace(options, reader=reader))
            self._refuse_old_siblings()
            return self._run_stages(locks)

    def _run_stages(self, locks: RecipeLocks) -> int:
        options = self.call.options
        ran = False
        for item in self.listed:
            if item.number > options.stop_stage:
                break
            if item.name == "manifests" and not options.allow_partial:
                self._refuse_partial()
            if item.name == "train":
                locks.enter_experiment()
                if options.allow_partial or self.conf.protocol(self.call.plan.protocol).column:
                    self._take_written_folds()
            if item.number >= (options.stage or 0):
                stale = self._stale(item, locks)
                ran = bool(stale)
                if status := self._run_stage(item, stale, locks):
                    return status
        if not ran and options.stop_stage == self.listed[-1].number:
            self._print_table()
        return 0

    def _refuse_partial(self) -> None:
        """A copy that was let through as partial once must not pass for a complete one in later runs."""
        plan = self.call.plan
        if plan.corpus_json.exists() and read_corpus_json(plan.corpus_json).get("partial"):
            raise InputError(
                f'this copy of {plan.corpus} is partial ("missing" in {self.recipe / plan.corpus_json}): complete it, '
                "or pass --allow-partial to go on"
            )

    def _refuse_old_siblings(self) -> None:
        """What egs/unified reads of other recipes must be what they would prepare now."""
        for sibling in self.call.plan.siblings:
            for name, stamp in data_stamps(sibling, sibling.encoder).items():
                version = stamped_version(stamp)
                if version not in (None, STAGES[name].version):
                    raise InputError(
                        f"corpus {sibling.name} was prepared by other code (its stage {name} has version {version}, "
                        f"now it is {STAGES[name].version}): run {sibling.prepare} again"
                    )

    def _fetch_encoder(self) -> None:
        """An encoder that is not at hand is said, or fetched, before anything else works."""
        plan = self.call.plan
        if plan.encoder and not plan.features.exists() and not plan.siblings and self.call.options.stop_stage >= 2:
            fetch_checkpoint(self.conf.model.pretrained)

    def _take_written_folds(self) -> None:
        """Of a partial copy, stage 3 may have skipped folds; those of a corpus's own table it alone has counted."""
        plan = self.call.plan
        folds = choose_folds(plan.folds_dir, self.call.options.asked_folds)
        self.call = replace(self.call, plan=replace(plan, folds=folds))

    def _stale(self, item: Listed, locks: RecipeLocks) -> list[tuple[Unit | None, Work]]:
        """The work of a stage that is not up to date, announced in its stamps; says why."""
        stage = item.stage
        stale: list[tuple[Unit | None, Work]] = []
        announced, lines = [], []
        reads = (*stage.reads, *(stage.encoder_reads if self.call.plan.encoder else ()))
        for unit, work in self._works(stage):
            try:
                new = fingerprint(stage.version, select(self.values, reads, stage.ignores), work)
            except InputError as error:
                raise InputError(f"{item}: input {error}") from error
            if reason := self.always or check(work, new):
                stale.append((unit, work))
                announced.append((work, new))
                lines.append(reason if unit is None or self.always else f"fold {unit[0]} seed {unit[1]}: {reason}")
        if not stale:
            print(f"{item}: up to date", flush=True)
            return []
        locks.before_writing(str(item))
        for work, new in announced:
            begin(work, new)
        for line in dict.fromkeys(lines):
            _say(f"{item}: {line}")
        return stale

    def _works(self, stage: Stage) -> list[tuple[Unit | None, Work]]:
        if stage.unit_work is not None:
            return [(unit, stage.unit_work(self.call, unit)) for unit in self.call.plan.units()]
        assert stage.work is not None
        return [(None, stage.work(self.call))]

    def _run_stage(self, item: Listed, stale: list[tuple[Unit | None, Work]], locks: RecipeLocks) -> int:
        """Run a stage's script on its stale work, and put its stamps; returns its exit code."""
        if not stale:
            return 0
        started = time.monotonic()
        units = [unit for unit, _ in stale if unit is not None]
        for folds, seeds in group_units(units) or [([], [])]:
            chosen = ["--folds", commas(folds), "--seeds", commas(seeds)] if units else []
            group = [work for unit, work in stale if unit is None or (unit[0] in folds and unit[1] in seeds)]
            arguments = [*self._conf_arguments(item), *group[0].arguments, *chosen]
            if status := run_child([sys.executable, item.script, *arguments], locks.descriptors()):
                return status
            for work in group:
                record(work)
        _say(f"stage {item.number}: done in {time.monotonic() - started:.0f} s")
        return 0

    def _conf_arguments(self, item: Listed) -> list[str]:
        """What names the conf, for a stage that reads any of it."""
        options = self.call.options
        if not item.stage.reads:
            return []
        model = ["--model", options.model] if options.model else []
        return [
            "--conf",
            str(options.conf),
            *model,
            *(part for value in options.overrides for part in ("--set", value)),
        ]

    def _print_table(self) -> None:
        """Stage 8 prints its main table when it runs; a run that had nothing to do prints it, too."""
        report = self.call.plan.experiment / "report.md"
        lines = report.read_text(encoding="utf-8").splitlines()
        table = takewhile(_is_row, dropwhile(lambda line: not _is_row(line), lines))
        print(*table, f"report: {self.recipe / report}", sep="\n")


def _is_row(line: str) -> bool:
    return line.startswith("|")


def _say(line: str) -> None:
    print(f"{time.strftime('%F %T')} {line}", flush=True)

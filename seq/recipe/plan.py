"""What one call of a recipe's run.sh is about: protocol, folds, seeds, tasks, the experiment's name.

Like `seq.recipe.stamps`, this costs milliseconds: the standard library and PyYAML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from seq.conf import Conf, ProtocolConf
from seq.corpora.base import ReaderOption, get_reader
from seq.corpora.record import read_corpus_json
from seq.data.fold_files import MAX_FOLDS, check_num_folds
from seq.errors import InputError
from seq.models.pretrained.spec import encoder_folder
from seq.recipe.files import RecipeFiles, experiment_name, experiment_prefix
from seq.recipe.options import Options
from seq.recipe.siblings import Sibling, count_folds, open_siblings
from seq.tasks.registry import parse_names
from seq.utils.run_folder import RunFolder

# One fold and one seed: what is trained and decoded at once. Folds count from 1.
Unit = tuple[int, int]


@dataclass(frozen=True)
class Plan(RecipeFiles):
    """What one call works on; its paths are relative to the recipe's folder."""

    corpus: str
    protocol: str
    folds: list[int]
    seeds: list[int]
    tasks: list[str]
    exp_name: str
    # The recipes that egs/unified combines.
    siblings: list[Sibling]
    # How the names of their own experiments begin, to which stage 7 of egs/unified compares.
    alone: str
    # What stage 2 calls the pretrained encoder that hears the audio; empty where it computes filter banks.
    encoder: str = ""
    # The experiment that teaches, if one does.
    teacher: str = ""

    def place(self) -> tuple[Path, str, str]:
        return Path(), self.corpus, self.protocol

    @property
    def features(self) -> Path:
        """The manifest of stage 2 that this call works on."""
        return self.feature_cuts(self.encoder)

    @property
    def experiment(self) -> Path:
        """The experiment's folder."""
        return self.exp_dir(self.exp_name)

    def lessons(self, fold: int) -> list[Path]:
        """What says of the teachers of a fold that they are trained, and how."""
        return [run.run_json for run in RunFolder.finished(Path(self.teacher), fold)] if self.teacher else []

    def units(self) -> list[Unit]:
        """Every pair of fold and seed."""
        return [(fold, seed) for fold in self.folds for seed in self.seeds]


def reader_options(conf: Path) -> tuple[ReaderOption, ...]:
    """The options that the reader of a conf's corpus declares.

    The reader's name is found without a YAML parser: run.sh asks before there is an environment.

    Raises:
        InputError: the conf cannot be read, names no reader, or one that is not there.
        ImportError: the reader needs something that is not installed.
    """
    try:
        lines = conf.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"conf {conf} cannot be read: pass an existing file with --conf") from error
    for line in lines:
        found = re.match(r"""[^#]*\breader:\s*["']?(\w+)""", line)
        if found:
            return get_reader(found[1]).options
    raise InputError(f"conf {conf} names no reader: give it a line `reader: NAME` under corpus")


def resolve_plan(conf: Conf, options: Options) -> Plan:
    """Fill in what the command line left to the conf, and check what it names.

    Raises:
        InputError: an unknown protocol or task, a fold that the protocol does not have, or a corpus of egs/unified that
            is not prepared.
    """
    chosen = conf.protocol(options.protocol or None)
    protocol = chosen.name
    encoder = encoder_folder(conf.model, conf.augment)
    siblings = open_siblings(conf)
    count = count_folds(protocol, siblings) if siblings else _count_named_folds(chosen)
    folds = sorted(options.asked_folds or range(1, count + 1))
    if folds[-1] > count:
        raise InputError(f"--folds {options.folds}: protocol {protocol} has folds 1 to {count}")
    tasks = parse_names(options.tasks)
    teacher = conf.train.teacher
    prefix = experiment_prefix(options.conf, conf.model_name + ("-taught" if teacher else ""))
    name = options.exp_name or experiment_name(prefix, protocol, tasks)
    seeds = sorted({int(seed) for seed in options.seeds.split(",")})
    alone = (siblings and conf.unified.alone) or conf.model_name
    return Plan(conf.corpus.name, protocol, folds, seeds, tasks, name, siblings, alone, encoder, teacher)


def remembered_options(corpus_json: Path) -> dict[str, str]:
    """The reader's options with which stage 0 last ran; they hold until they are given anew."""
    return read_corpus_json(corpus_json).get("options", {}) if corpus_json.exists() else {}


def _count_named_folds(protocol: ProtocolConf) -> int:
    if protocol.column == "fold":
        # Stage 3 counts them; see `Runner`.
        return MAX_FOLDS
    count = 1 if protocol.column else protocol.random.num_folds if protocol.random else len(protocol.folds)
    if not count:
        raise InputError(
            f"protocol {protocol.name} of the conf needs a list of folds, or random: {{num_folds: NUMBER, ...}}, or a "
            "column of the corpus's table: split or fold"
        )
    check_num_folds(protocol.name, count)
    return count


def group_units(stale: list[Unit]) -> list[tuple[list[int], list[int]]]:
    """Units as few products of folds and seeds, which is what the stage scripts take: [([1, 2], [0]), ...]."""
    folds_of: dict[int, list[int]] = {}
    for fold, seed in stale:
        folds_of.setdefault(seed, []).append(fold)
    seeds_of: dict[tuple[int, ...], list[int]] = {}
    for seed, folds in sorted(folds_of.items()):
        seeds_of.setdefault(tuple(sorted(folds)), []).append(seed)
    return [(list(folds), seeds) for folds, seeds in seeds_of.items()]


def commas(values: list[int] | list[str]) -> str:
    """A list as the command line has it: `1,2`."""
    return ",".join(map(str, values))

"""Systems of others beside ours: each a file of local/conf, or functionals and an SVM, on the same folds.

What a system has not as its source has it is said with its row.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from seq.errors import InputError
from seq.recipe.files import experiment_name
from seq.recipe.recipe import Recipe
from seq.score.types import read_scores
from seq.studies.baseline import baseline_prefix
from seq.studies.comparison import Row, comparison_head, comparison_table
from seq.utils.markdown_text import plain

NOT_RUN: Final = "nobody asked for it"
NO_OPENSMILE: Final = "openSMILE is not installed (pip install opensmile; free for research only)"


@dataclass(frozen=True)
class System:
    """A row: a network of local/conf (`model`), or functionals (`features`) and an SVM."""

    name: str
    note: str
    model: str = ""
    features: str = ""
    # Of functionals: whether the best ones are kept.
    is_selected: bool = False
    # The prefix of the row that is the same without what this one is about.
    without: str = ""

    @property
    def prefix(self) -> str:
        """How the name of its experiment begins."""
        return self.model or baseline_prefix(self.features, self.is_selected)

    @property
    def missing(self) -> str | None:
        """Why it cannot be run on this machine; None where it can."""
        needs = self.features not in ("", "own")
        return NO_OPENSMILE if needs and importlib.util.find_spec("opensmile") is None else None

    def exp_name(self, protocol: str, name: str = "") -> str:
        """Of its experiment; `name` is put before a network that is not trained as its file says."""
        return experiment_name(f"{name}-{self.prefix}" if name and self.model else self.prefix, protocol)


SYSTEMS: Final = (
    System("from scratch", "our Conformer on filter banks; MixSpeech off", model="scratch"),
    System("MixSpeech", "Meng et al. 2021 (arXiv 2102.12664), on our Conformer; every head has both targets, where the "
           "source spells two texts; a batch is mixed whole or not, where the source mixes a part of each",
           model="scratch-mixspeech", without="scratch"),
    System("MSCNN-SPU", "Peng et al. 2021 (arXiv 2106.04133); filter banks through a stem in place of MFCC; attention "
           "to the phone branch in place of the words of an ASR system; no speaker vectors; all of our tasks",
           model="mscnn-spu"),
    System("LoRA", "Whisper tiny.en with adapters in its last two layers", model="whisper-tiny.en-lora"),
    System("LoRA, mean token, gate", "SELMA's front end (Wagner et al. 2025, arXiv 2501.19377) on Whisper tiny.en in "
           "place of Qwen-Audio's encoder; adapters in the last two layers and not in all; our heads in place of a "
           "language model; they read the statistics of the hidden states, too",
           model="whisper-tiny.en-selma", without="whisper-tiny.en-lora"),
    System("functionals", "of our fbank and pitch, and a linear SVM; emotion alone", features="own"),
    System("functionals, selected", "those with the highest F on train; how many, and C, chosen on valid",
           features="own", is_selected=True, without="baseline_own"),
    System("openSMILE ComParE", "6,373 functionals and a linear SVM; emotion alone", features="compare"),
    System("openSMILE ComParE, selected", "as functionals, selected", features="compare", is_selected=True,
           without="baseline_compare"),
    System("openSMILE eGeMAPS", "88 functionals and a linear SVM; emotion alone", features="egemaps"),
)  # fmt: skip


def choose_systems(names: Sequence[str], model: str) -> list[System]:
    """Ours, which is a recipe's own model, and the systems with these names, or all of them.

    Raises:
        InputError: there is none of that name.
    """
    known = {system.prefix: system for system in SYSTEMS}
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"--only {unknown[0]}: choose from {', '.join(known)}")
    others = [known[name] for name in names] or list(SYSTEMS)
    ours = System(f"ours ({model})", "the model that the recipe's conf names", model=model)
    return [ours, *(system for system in others if system.model != model)]


def system_rows(recipe: Recipe, systems: Sequence[System], name: str = "") -> list[Row]:
    """The systems with their scores, where there are some."""
    rows = []
    for system in systems:
        path = recipe.exp_dir(system.exp_name(recipe.protocol.name, name)) / "scores.json"
        found = path.exists()
        rows.append(
            Row(system.name, read_scores(path) if found else None, None if found else system.missing or NOT_RUN)
        )
    return rows


def systems_report(
    recipe: Recipe, systems: Sequence[System], command: str, overrides: Sequence[str] = (), name: str = ""
) -> str:
    """The Markdown of the comparison: all against the first, and those about one thing against the row without it.

    Raises:
        InputError: the first was not scored, or two were tested on other speakers.
    """
    rows = system_rows(recipe, systems, name)
    if rows[0].scores is None:
        folder = recipe.exp_dir(systems[0].exp_name(recipe.protocol.name, name))
        raise InputError(f"{folder} has no scores.json: run {recipe.folder}/run.sh first")
    by_prefix = {system.prefix: row for system, row in zip(systems, rows, strict=True)}
    lines = [
        f"# {recipe.conf.corpus.name}: systems beside ours",
        "",
        *comparison_head(rows, recipe, command, overrides),
        "",
        comparison_table(rows, "system"),
        "",
    ]
    for system in systems:
        pair = [by_prefix.get(system.without), by_prefix[system.prefix]]
        if all(row is not None and row.scores for row in pair):
            lines += [f"What {system.name} adds:", "", comparison_table([row for row in pair if row], "system"), ""]
    lines += [f"- {system.name}: {plain(system.note)}." for system in systems]
    return "\n".join(lines) + "\n"

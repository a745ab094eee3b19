"""The data of one run, opened lazily, and what its network must be to learn it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lhotse import CutSet

from seq.data.balance import balanced_cuts
from seq.data.batches import NUM_BUCKETS
from seq.data.epoch import Epoch
from seq.data.manifest_rows import corpus_of, manifest_rows
from seq.data.shar import open_cuts, open_labels, shuffled_cuts
from seq.data.targets import Labeller
from seq.errors import InputError
from seq.models.model import ModelSpec
from seq.models.pretrained.spec import read_encoder_json
from seq.tasks.base import Setting, Task
from seq.tasks.predictions import ManifestRow
from seq.tasks.registry import in_order
from seq.train.experiment import Experiment
from seq.train.identity import run_identity
from seq.train.teacher import open_lessons


def find_untrainable(tasks: Sequence[Task], cuts: Path, train: Sequence[str], setting: Setting) -> dict[str, str]:
    """The tasks that a train part cannot teach, and why: without a label, or, of a scale, with a single level.

    A head that always says the one level there is would be right every time and know nothing.
    """
    wanted, found = set(train), {task.name: set[str]() for task in tasks}
    for cut in manifest_rows(cuts):
        if cut["id"] in wanted:
            row = ManifestRow.from_dict(cut)
            for task in tasks:
                if (label := task.label(row, setting)) is not None:
                    found[task.name].add(str(label))
    reasons = {task.name: "no utterance of train has a label" for task in tasks if not found[task.name]}
    for task in tasks:
        if task.kind == "scale" and len(found[task.name]) == 1:
            reasons[task.name] = f"train has a single level, {min(found[task.name])}"
    return reasons


class RunData:
    """The data of one fold and seed."""

    def __init__(self, experiment: Experiment, fold_number: int, seed: int) -> None:
        """Raises InputError where the fold is not there, overlaps, or is too small to train on."""
        self._cuts = experiment.cuts
        self._unified = experiment.conf.unified
        self.epoch = Epoch(seed)
        self.fold = experiment.load_fold(fold_number)
        self.start = experiment.start
        self.lang = experiment.open_lang(self.fold.train)
        setting = experiment.setting(self.lang)
        try:
            in_order(experiment.conf.train.loss_scales)
        except InputError as error:
            raise InputError(f"train.loss_scales: {error}") from error
        # Tasks that are not trained, and why.
        self.masked: dict[str, str] = {}
        if self.start is not None:
            self.spec = self.start.spec
        else:
            tasks = in_order(experiment.tasks)
            self.masked = find_untrainable(tasks, experiment.cuts, self.fold.train, setting)
            outputs = {task.name: task.outputs(setting) for task in tasks if task.name not in self.masked}
            if not outputs:
                reasons = "; ".join(f"{name}: {reason}" for name, reason in self.masked.items())
                raise InputError(f"fold {fold_number} has nothing to train on ({reasons}): choose other --tasks")
            conf = experiment.conf
            encoder = read_encoder_json(experiment.cuts) if conf.model.front_end == "pretrained" else None
            corpora = self._train_corpora() if conf.model.adapter_dim else []
            self.spec = ModelSpec(conf.model, conf.features.num_filters, outputs, encoder, corpora=corpora)
        self.labeller = Labeller(self.spec.outputs, setting)
        self.num_train = len(self.fold.train)
        if self.num_train < NUM_BUCKETS:
            raise InputError(
                f"fold {fold_number} has {self.num_train} utterances to train on; {NUM_BUCKETS} are the least"
            )
        self.train_speakers = self._train_speakers()
        teacher = experiment.conf.train.teacher
        self.lessons = None
        if teacher:
            self.lessons = open_lessons(
                experiment, fold_number, self.fold.train, set(self.train_speakers), self.spec.outputs
            )
        self.identity = run_identity(
            experiment.conf,
            experiment.protocol,
            self.spec.outputs,
            self.fold,
            experiment.lang_dir,
            experiment.cuts,
            self.start,
            self.spec.encoder,
            self.lessons.digest if self.lessons else None,
        )

    def _train_speakers(self) -> list[str]:
        """Who speaks in the train part."""
        return sorted({str(cut["supervisions"][0]["speaker"]) for cut in self._train_rows()})

    def _train_corpora(self) -> list[str]:
        """What the train part comes from. Raises InputError where it does not come from several corpora's recipe."""
        if not self._unified.corpora:
            raise InputError("model.adapter_dim is for several corpora, which egs/unified trains on: set it to 0")
        return sorted({corpus_of(cut) for cut in self._train_rows()})

    def _train_rows(self) -> Iterator[dict[str, Any]]:
        wanted = set(self.fold.train)
        return (cut for cut in manifest_rows(self._cuts) if cut["id"] in wanted)

    def train_cuts(self) -> CutSet:
        """Cuts of the train part."""
        return open_cuts(self._cuts, self.fold.train)

    def train_labels(self) -> CutSet:
        """The same for who needs no features."""
        return open_labels(self._cuts, self.fold.train)

    @property
    def is_sharded(self) -> bool:
        """Whether the cuts are Shar, of which every rank reads its own."""
        return self._cuts.is_dir()

    def sampled_cuts(self, rank: int = 0, world_size: int = 1) -> CutSet:
        """The train part as training draws it: balanced between corpora where there are several."""
        if not self._unified.corpora:
            return shuffled_cuts(self._cuts, self.fold.train, self.epoch, rank, world_size)
        return balanced_cuts(self._cuts, self.fold.train, self._unified.balance, self.epoch, rank, world_size)

    def valid_cuts(self) -> CutSet:
        """Cuts of the valid part."""
        return open_cuts(self._cuts, self.fold.valid)

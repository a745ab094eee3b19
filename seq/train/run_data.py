"""The data of one run, opened lazily, and what its network must be to learn it."""

from __future__ import annotations

from lhotse import CutSet

from seq.data.balance import balanced_cuts
from seq.data.batches import NUM_BUCKETS
from seq.data.epoch import Epoch
from seq.data.shar import open_cuts
from seq.data.targets import Labeller
from seq.errors import InputError
from seq.models.model import ModelSpec
from seq.tasks.registry import in_order
from seq.train.experiment import Experiment
from seq.train.identity import run_identity


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
        if self.start is not None:
            self.spec = self.start.spec
        else:
            outputs = {task.name: task.outputs(setting) for task in in_order(experiment.tasks)}
            self.spec = ModelSpec(experiment.conf.model, experiment.conf.features.num_filters, outputs)
        self.labeller = Labeller(self.spec.outputs, setting)
        self.num_train = len(self.fold.train)
        if self.num_train < NUM_BUCKETS:
            raise InputError(
                f"fold {fold_number} has {self.num_train} utterances to train on; {NUM_BUCKETS} are the least"
            )
        self.identity = run_identity(
            experiment.conf, self.spec.outputs, self.fold, experiment.lang_dir, experiment.cuts, self.start
        )

    def train_cuts(self) -> CutSet:
        """Cuts of the train part."""
        return open_cuts(self._cuts, self.fold.train)

    def sampled_cuts(self) -> CutSet:
        """The train part as training draws it: balanced between corpora where there are several."""
        if not self._unified.corpora:
            return self.train_cuts()
        return balanced_cuts(self._cuts, self.fold.train, self._unified.balance, self.epoch)

    def valid_cuts(self) -> CutSet:
        """Cuts of the valid part."""
        return open_cuts(self._cuts, self.fold.valid)

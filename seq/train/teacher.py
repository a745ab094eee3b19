"""What another experiment's networks say of a train part: targets for a smaller one (Hinton et al. 2015, distillation).

A fold's teachers are that fold's runs, one per seed, of an experiment whose networks have heard this fold's training
speakers and no others. What they say of an utterance is averaged over them and over the speeds at which they heard it.
Their answers are nearly the labels, since they have learnt these utterances; the statistics of the encoder below them
are what a corpus of hours cannot teach (hints, Romero et al. 2015).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from seq.conf import TrainConf, conf_from_dict
from seq.data.encoded import cached_speeds
from seq.data.mixing import Mix
from seq.data.shar import open_cuts
from seq.errors import InputError, name_some
from seq.models.model import ModelOutput, SpeechEqModel
from seq.models.pretrained.spec import encoder_folder, features_folder
from seq.tasks.base import Outputs
from seq.tasks.kinds import UtteranceTask
from seq.tasks.registry import get_task, in_order
from seq.train.answers import inputs_of
from seq.train.checkpoint import checkpoint_path, load_checkpoint, load_model
from seq.train.experiment import Experiment
from seq.train.record import read_record
from seq.utils.files import sha256
from seq.utils.progress import progress_bar
from seq.utils.run_folder import RunFolder


@dataclass(frozen=True)
class Lessons:
    """What the teachers say, by utterance id."""

    # By task, the logits (K,).
    numbers: dict[str, dict[str, Tensor]]
    # The statistics (S,) of their encoder's hidden states, normalised by the train part's; of teachers on fbank none.
    statistics: dict[str, Tensor]
    # SHA-256 of the teachers' weights.
    digest: str

    @property
    def num_statistics(self) -> int:
        """How many statistics of an utterance the network that is taught must guess."""
        return next((len(found) for found in self.statistics.values()), 0)

    def loss(self, output: ModelOutput, ids: list[str], conf: TrainConf, mix: Mix | None = None) -> Tensor:
        """How far a batch's answers are from the teachers', and the guess of `Taught` from their statistics.

        The answers are compared at `conf.teacher_temperature` (times its square, which keeps the gradients' size).
        """
        own = self._loss(output, ids, conf)
        if mix is None:
            return own
        return mix.share * own + (1.0 - mix.share) * self._loss(output, [ids[i] for i in mix.partners], conf)

    def _loss(self, output: ModelOutput, ids: list[str], conf: TrainConf) -> Tensor:
        device, t = output.embedding.device, conf.teacher_temperature
        terms = []
        for name, by_id in self.numbers.items():
            theirs = torch.stack([by_id[id_] for id_ in ids]).to(device) / t
            ours = output.numbers[name]
            ours = (ours.mean(0) if ours.dim() == 3 else ours) / t
            if get_task(name).kind == "category":
                terms.append(cross_entropy(ours, theirs.softmax(dim=1)))
            else:
                terms.append(binary_cross_entropy_with_logits(ours, theirs.sigmoid()))
        loss = conf.teacher_weight * torch.stack(terms).sum() * t * t
        if output.statistics is not None:
            theirs = torch.stack([self.statistics[id_] for id_ in ids]).to(device)
            loss = loss + conf.teacher_statistics * mse_loss(output.statistics.float(), theirs)
        return loss


class Taught(nn.Module):
    """A network, and a linear map from its utterance vector to the teachers' statistics, which training alone needs."""

    def __init__(self, model: SpeechEqModel, guess: nn.Linear) -> None:
        super().__init__()
        self.model = model
        self.guess = guess

    def forward(self, *inputs: Tensor) -> ModelOutput:
        """What the network reads -> what it says, and (N, S) what it thinks the teachers' statistics are."""
        output: ModelOutput = self.model(*inputs)
        return replace(output, statistics=self.guess(output.embedding))


def open_lessons(
    experiment: Experiment, fold: int, train: list[str], speakers: set[str], outputs: Mapping[str, Outputs]
) -> Lessons:
    """Let the teachers of a fold hear its train part.

    Args:
        train: ids of the train part.
        speakers: who speaks there.
        outputs: what the heads of the network that is taught stand for.

    Raises:
        InputError: the teacher's experiment has no finished run of this fold, has heard other speakers, names other
            classes, or what stage 2 wrote for it is gone.
    """
    try:
        return _ask(experiment, fold, train, speakers, outputs)
    except InputError as error:
        # Whoever reads of a missing file must know that it is the teacher's.
        raise InputError(f"train.teacher: {error}") from error


@torch.no_grad()
def _ask(
    experiment: Experiment, fold: int, train: list[str], speakers: set[str], outputs: Mapping[str, Outputs]
) -> Lessons:
    exp = Path(experiment.conf.train.teacher)
    runs = [run.path for run in RunFolder.finished(exp, fold)]
    if not runs:
        raise InputError(f"{exp} has no finished run of fold {fold}: run its stage 5 first")
    for run in runs:
        _check_run(run, speakers)
    found: dict[str, dict[str, list[Tensor]]] = {}
    statistics: dict[str, list[Tensor]] = {}
    wanted = experiment.conf.train.teacher_statistics
    digests = []
    known: set[str] = set()
    with progress_bar(total=len(runs) * len(train), desc=f"fold {fold} teacher", unit="utt") as progress:
        for run in runs:
            model, epoch = load_model(run)
            digests.append(sha256(checkpoint_path(run, epoch)))
            conf = conf_from_dict(load_checkpoint(checkpoint_path(run, epoch))["conf"])
            if wanted and not model.front_end.num_statistics:
                raise InputError(f"{exp} has no pretrained encoder, whose statistics train.teacher_statistics compares")
            speeds = cached_speeds(conf) if model.front_end.reads == "frames" else [1.0]
            names = [task.name for task in in_order(outputs) if isinstance(task, UtteranceTask)]
            names = [name for name in names if name in model.spec.outputs]
            if other := [name for name in names if model.spec.outputs[name].labels != outputs[name].labels]:
                raise InputError(f"{run} has other classes of {other[0]}: choose one of this protocol")
            for cut in open_cuts(_cuts_of(experiment.cuts, encoder_folder(conf.model, conf.augment)), train):
                inputs = [inputs_of(model, cut, speed) for speed in speeds]
                heard = [model(*item) for item in inputs]
                for name in names:
                    mean = torch.stack([output.numbers[name][0] for output in heard]).mean(0)
                    found.setdefault(name, {}).setdefault(cut.id, []).append(mean)
                known.add(cut.id)
                if wanted:
                    found_statistics = [model.front_end(*item).statistics[0] for item in inputs]
                    statistics.setdefault(cut.id, []).append(torch.stack(found_statistics).mean(0))
                progress.update()
    if lost := [id_ for id_ in train if id_ not in known]:
        raise InputError(f"{exp} never heard {lost[0]}: run its stage 2 again")
    return Lessons(
        {name: _means(by_id) for name, by_id in found.items()},
        _means(statistics),
        hashlib.sha256("".join(digests).encode()).hexdigest(),
    )


def _means(found: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    return {id_: torch.stack(all_).mean(0) for id_, all_ in found.items()}


def _check_run(run: Path, speakers: set[str]) -> None:
    """A teacher that heard a speaker of valid or test would whisper the answers."""
    record = read_record(RunFolder(run).run_json)
    if "train_speakers" not in record or "best_valid" not in record:
        raise InputError(f"{run} does not say whom it heard: train it again with this version")
    if others := sorted(set(record["train_speakers"]) - speakers):
        raise InputError(
            f"{run} was trained on speakers who are not in this fold's train part "
            f"({name_some(others)}): choose a teacher of the same protocol"
        )


def _cuts_of(cuts: Path, encoder: str) -> Path:
    """The manifest of stage 2 of the same recipe for another front end."""
    data = next((parent for parent in cuts.resolve().parents if parent.name == "data"), None)
    found = None if data is None else data / features_folder(encoder) / cuts.name
    if found is None or not found.exists():
        raise InputError(f"{found or cuts} does not exist: run stage 2 with the teacher's model")
    return found

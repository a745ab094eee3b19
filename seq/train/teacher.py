"""What another experiment's networks say of a train part: targets for a smaller one (Hinton et al. 2015, distillation).

A fold's teachers are that fold's runs, one per seed, of an experiment whose networks have heard this fold's training
speakers and no others. What they say of an utterance is averaged over them and over the speeds at which they heard it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from lhotse import MonoCut
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize

from seq.conf import TrainConf, conf_from_dict
from seq.data.encoded import cached_speeds, load_fbank, load_heard
from seq.data.shar import open_cuts
from seq.errors import InputError, name_some
from seq.models.model import ModelOutput, SpeechEqModel
from seq.models.pretrained.spec import encoder_folder, features_folder
from seq.tasks.base import Outputs
from seq.tasks.kinds import UtteranceTask
from seq.tasks.registry import get_task, in_order
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
    # The utterance vectors (D,), of all teachers one after the other, each of unit length.
    embeddings: dict[str, Tensor]
    # SHA-256 of the teachers' weights.
    digest: str

    def loss(self, output: ModelOutput, ids: list[str], conf: TrainConf) -> Tensor:
        """How far a batch's answers are from the teachers', and the likenesses between its utterances from theirs.

        The answers are compared at `conf.teacher_temperature` (times its square, which keeps the gradients' size); the
        cosines between utterance vectors (relational distillation, Park et al. 2019) need no map between the two.
        """
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
        loss = torch.stack(terms).sum() * t * t
        if conf.teacher_relations:
            theirs = torch.stack([self.embeddings[id_] for id_ in ids]).to(device)
            ours = normalize(output.embedding.float(), dim=1)
            loss = loss + conf.teacher_relations * (ours @ ours.T - theirs @ theirs.T).square().mean()
        return loss


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
    vectors: dict[str, list[Tensor]] = {}
    digests = []
    with progress_bar(total=len(runs) * len(train), desc=f"fold {fold} teacher", unit="utt") as progress:
        for run in runs:
            model, epoch = load_model(run)
            digests.append(sha256(checkpoint_path(run, epoch)))
            conf = conf_from_dict(load_checkpoint(checkpoint_path(run, epoch))["conf"])
            speeds = cached_speeds(conf) if model.front_end.reads == "frames" else [1.0]
            names = [task.name for task in in_order(outputs) if isinstance(task, UtteranceTask)]
            names = [name for name in names if name in model.spec.outputs]
            if other := [name for name in names if model.spec.outputs[name].labels != outputs[name].labels]:
                raise InputError(f"{run} has other classes of {other[0]}: choose one of this protocol")
            for cut in open_cuts(_cuts_of(experiment.cuts, encoder_folder(conf.model)), train):
                heard = [_answer(model, cut, speed) for speed in speeds]
                for name in names:
                    mean = torch.stack([output.numbers[name][0] for output in heard]).mean(0)
                    found.setdefault(name, {}).setdefault(cut.id, []).append(mean)
                vectors.setdefault(cut.id, []).append(torch.stack([output.embedding[0] for output in heard]).mean(0))
                progress.update()
    if lost := [id_ for id_ in train if id_ not in vectors]:
        raise InputError(f"{exp} never heard {lost[0]}: run its stage 2 again")
    numbers = {name: {id_: torch.stack(all_).mean(0) for id_, all_ in ids.items()} for name, ids in found.items()}
    scale = len(runs) ** -0.5
    embeddings = {id_: torch.cat([normalize(v, dim=0) * scale for v in all_]) for id_, all_ in vectors.items()}
    return Lessons(numbers, embeddings, hashlib.sha256("".join(digests).encode()).hexdigest())


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


@torch.inference_mode()
def _answer(model: SpeechEqModel, cut: MonoCut, speed: float) -> ModelOutput:
    heard = load_heard(cut, speed) if model.front_end.reads == "frames" else load_fbank(cut)
    inputs = [heard.feature.unsqueeze(0), torch.tensor([len(heard.feature)])]
    if heard.statistics is not None:
        inputs.append(heard.statistics.unsqueeze(0))
    return model(*inputs)

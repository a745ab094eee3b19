"""Experiments decoded under the conditions of `seq.data.conditions`: the test part of every fold, side by side.

Of every fold, seed and condition there is a file, exp/<name>/robustness/test/fold_<k>/seed_<s>/<condition>.jsonl, with
lines as predictions.jsonl has them; what is there already is not made again. Recordings are changed as a whole, and
their silence is trimmed afterwards, as it is when somebody asks for a prediction.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lhotse import CutSet, MonoCut

from seq.audio.reading import MIN_SAMPLES, load_cut_audio
from seq.conf import Conf, FeaturesConf
from seq.data.batches import SpeechDataset, eval_loader
from seq.data.conditions import CLEAN, CONDITIONS, MADE_FROM, VERSION, condition_path, made_from
from seq.data.encoded import Heard
from seq.data.features import compute_fbank
from seq.data.fold_checks import Fold
from seq.data.shar import open_cuts
from seq.data.targets import Labeller
from seq.data.voices import draw_voices
from seq.data.whole_recording import changed_audio
from seq.errors import InputError
from seq.models.model import SpeechEqModel
from seq.train.answers import predict
from seq.train.checkpoint import checkpoint_path, load_model, read_pointer
from seq.train.ctc import CtcBackend, make_ctc
from seq.train.experiment import Experiment
from seq.utils.files import content_digest, sha256, update_json, write_jsonl
from seq.utils.pool import pool_map
from seq.utils.progress import progress_bar
from seq.utils.run_folder import DecodedPart, RunFolder

# Utterances that are changed and heard at once, and voices of others that are at hand.
CHUNK_SIZE: Final = 32
NUM_VOICES: Final = 100


@dataclass(frozen=True)
class System:
    """A network that is tested: one run of an experiment."""

    experiment: Experiment
    run_dir: Path
    model: SpeechEqModel
    labeller: Labeller
    ctc: CtcBackend

    @property
    def reads(self) -> tuple[Any, ...]:
        """Systems of which this is the same hear the same."""
        spec, conf = self.model.spec, self.experiment.conf
        if spec.encoder is None:
            return ("fbank", conf.features.extractor, conf.features.num_filters)
        return ("frames", spec.encoder.sha256, spec.encoder.num_frozen)


class _HeardDataset(SpeechDataset):
    """Utterances that were heard already."""

    def __init__(self, system: System, heard: dict[str, Heard]) -> None:
        model, features = system.model, system.experiment.conf.features
        super().__init__(system.labeller, features, reads=model.front_end.reads, corpora=model.spec.corpora)
        self._heard = heard

    def load(self, cut: MonoCut) -> Heard:
        return self._heard[cut.id]


def decode_conditions(
    experiments: Sequence[Experiment],
    cuts: Path,
    folds: list[int],
    seeds: list[int],
    num_jobs: int = 1,
    encoder: str | None = None,
    part: DecodedPart = "test",
) -> None:
    """Decode the test parts, or the valid parts, under every condition, `num_jobs` folds side by side.

    Args:
        experiments: of one recipe and one protocol.
        cuts: the manifest of stage 1, with audio.
        encoder: folder of the pretrained encoder, if it is no more where it was in training.

    Raises:
        InputError: a run is not trained, or audio or an encoder is not at hand.
    """
    work = partial(_decode_fold, experiments, cuts, seeds, encoder, part)
    for _ in pool_map(work, folds, min(num_jobs, len(folds))):
        pass


def _decode_fold(
    experiments: Sequence[Experiment],
    cuts: Path,
    seeds: list[int],
    encoder: str | None,
    part: DecodedPart,
    number: int,
) -> None:
    torch.set_num_threads(1)
    fold = experiments[0].load_fold(number)
    ids: list[str] = getattr(fold, part)
    systems = [open_system(experiment, fold, seed, encoder) for experiment in experiments for seed in seeds]
    for system in systems:
        _forget_others(system, ids, cuts, part)
    pending = {
        condition: missing
        for condition in (CLEAN, *CONDITIONS)
        if (missing := [system for system in systems if not condition_path(system.run_dir, condition, part).exists()])
    }
    voices = _voices(cuts, fold) if any(condition.needs_voices for condition in pending) else {}
    trim = experiments[0].conf.features.trim
    with progress_bar(total=len(pending) * len(ids), desc=f"fold {number}", unit="utt") as progress:
        for condition, missing in pending.items():
            rows: list[list[dict[str, Any]]] = [[] for _ in missing]
            for chunk in _chunks(open_cuts(cuts, ids)):
                samples = {}
                for cut in chunk:
                    others = [voice for name, own in voices.items() if name != _speaker(cut) for voice in own]
                    if condition.needs_voices and not others:
                        # Nobody else is in valid: what they said elsewhere, slower or faster, is another's voice.
                        others = draw_voices(cuts, cut, random.Random(cut.id))
                    change = partial(condition.apply, utterance=cut.id, part=part, voices=others)
                    samples[cut.id] = changed_audio(cut, change, trim)
                for own, found in zip(rows, answer(missing, chunk, samples), strict=True):
                    own += found
                progress.update(len(chunk))
            for system, found in zip(missing, rows, strict=True):
                write_jsonl(condition_path(system.run_dir, condition, part), found)


def open_system(experiment: Experiment, fold: Fold, seed: int, encoder: str | None = None) -> System:
    """A run's network, ready to be asked. Raises InputError where it is not trained, or its encoder not at hand."""
    run_dir = experiment.run_dir(fold.fold, seed)
    model, _ = load_model(run_dir, encoder=encoder)
    lang = experiment.open_lang(fold.train, run_dir)
    labeller = Labeller(model.spec.outputs, experiment.setting(lang))
    return System(experiment, run_dir, model, labeller, make_ctc(experiment.conf.ctc.backend))


def answer(
    systems: Sequence[System], cuts: list[MonoCut], samples: dict[str, np.ndarray]
) -> list[list[dict[str, Any]]]:
    """What each system says of (S,) samples of every cut, as lines of predictions.jsonl."""
    heard: dict[tuple[Any, ...], dict[str, Heard]] = {}
    found = []
    for system in systems:
        if system.reads not in heard:
            hear = _ear(system.model, system.experiment.conf)
            heard[system.reads] = {id_: hear(values) for id_, values in samples.items()}
        loader = eval_loader(CutSet.from_cuts(cuts), _HeardDataset(system, heard[system.reads]))
        fold, seed = RunFolder(system.run_dir).fold_and_seed()
        rows = []
        for row, _ in predict(system.model, loader, system.ctc, "fp32"):
            row.corpus, row.fold, row.seed = system.experiment.conf.corpus.name, fold, seed
            rows.append(row.to_dict())
        found.append(rows)
    return found


def _ear(model: SpeechEqModel, conf: Conf) -> Callable[[np.ndarray], Heard]:
    """What a network reads of (S,) samples."""
    if model.spec.encoder is None:
        return partial(_hear_fbank, features=conf.features)
    from seq.models.pretrained.cache import frozen_encoder, hear

    pretrained = model.spec.model.pretrained
    model.spec.encoder.checkpoint(pretrained)
    return partial(hear, frozen_encoder(pretrained))


def _hear_fbank(samples: np.ndarray, features: FeaturesConf) -> Heard:
    padded = np.pad(samples, (0, max(0, MIN_SAMPLES - len(samples))))
    return Heard(torch.from_numpy(compute_fbank(padded, features)))


def _speaker(cut: MonoCut) -> str:
    return str(cut.supervisions[0].speaker)


def _voices(cuts: Path, fold: Fold) -> dict[str, list[np.ndarray]]:
    """By speaker, utterances of those who are in neither train nor test, and so of valid, evenly drawn."""
    speakers = {cut.id: _speaker(cut) for cut in CutSet.from_file(cuts)}
    known = {speakers[id_] for part in (fold.train, fold.test) for id_ in part}
    strangers = [id_ for id_ in fold.valid if speakers[id_] not in known]
    if not strangers:
        raise InputError(
            f"fold {fold.fold} has no speaker in valid who is in neither train nor test, and babble needs voices that "
            "the network does not know: choose a protocol with disjoint speakers"
        )
    chosen = strangers[:: max(1, len(strangers) // NUM_VOICES)]
    found: dict[str, list[np.ndarray]] = {}
    for cut in open_cuts(cuts, chosen):
        found.setdefault(_speaker(cut), []).append(load_cut_audio(cut))
    return found


def _forget_others(system: System, ids: Sequence[str], cuts: Path, part: DecodedPart) -> None:
    """Remove what was decoded with other weights, other utterances or other conditions."""
    epoch = read_pointer(system.run_dir, "best")
    assert epoch is not None
    current = {
        "weights": sha256(checkpoint_path(system.run_dir, epoch)),
        "cuts": content_digest(cuts),
        "ids": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        "version": VERSION,
    }
    marker = condition_path(system.run_dir, CLEAN, part).with_name(MADE_FROM)
    if made_from(system.run_dir, part) != current:
        for path in marker.parent.glob("*.jsonl"):
            path.unlink()
    update_json(marker, current)


def _chunks(cuts: CutSet) -> Iterator[list[MonoCut]]:
    iterator = iter(cuts)
    while chunk := list(islice(iterator, CHUNK_SIZE)):
        yield chunk

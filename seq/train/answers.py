"""From a trained network to predictions: what each utterance is said to be, beside what it is labelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from lhotse import MonoCut
from torch import Tensor
from torch.utils.data import DataLoader

from seq.data.batch import Batch
from seq.data.encoded import load_fbank, load_heard
from seq.data.shar import open_cuts
from seq.errors import InputError
from seq.models.heads import activate
from seq.models.model import ModelOutput, SpeechEqModel
from seq.tasks.kinds import UtteranceTask
from seq.tasks.predictions import Prediction, SequencePrediction, TaskPrediction
from seq.tasks.registry import in_order
from seq.train.alignment import TokenSpan
from seq.train.ctc import CtcBackend
from seq.train.device import autocast
from seq.utils.progress import progress_bar


@torch.no_grad()
def predict(
    model: SpeechEqModel, loader: DataLoader[Batch], ctc: CtcBackend, precision: str, with_times: bool = False
) -> Iterator[tuple[Prediction, Tensor]]:
    """Yield, for every utterance in the loader's order, what is said of it and its (embedding_dim,) vector.

    Args:
        with_times: give symbols the start and end (s) of the best path, and of the reference's Viterbi alignment.
    """
    for batch in loader:
        with autocast(model.device, precision):
            output = model(*batch.inputs_on(model.device))
        answers = {
            task.name: (
                _utterances(task, model, output, batch)
                if isinstance(task, UtteranceTask)
                else _sequences(task.name, model, output, batch, ctc, with_times)
            )
            for task in in_order(output.numbers)
        }
        for i, (id_, speaker) in enumerate(zip(batch.ids, batch.speakers, strict=True)):
            tasks = {name: rows[i] for name, rows in answers.items()}
            yield Prediction(id_, speaker, tasks), output.embedding[i]


def _utterances(task: UtteranceTask, model: SpeechEqModel, output: ModelOutput, batch: Batch) -> list[TaskPrediction]:
    probs = activate(task.kind, output.numbers[task.name]).tolist()
    refs, meaning = batch.labels.refs[task.name], model.spec.outputs[task.name]
    return [task.predict(numbers, ref, meaning) for numbers, ref in zip(probs, refs, strict=True)]


def _sequences(
    name: str, model: SpeechEqModel, output: ModelOutput, batch: Batch, ctc: CtcBackend, with_times: bool
) -> list[TaskPrediction]:
    log_probs, symbols = output.numbers[name], model.spec.outputs[name].labels
    targets = batch.labels.targets[name]
    assert isinstance(targets, list)
    decoded = ctc.decode(log_probs, output.lengths)
    rows = [
        SequencePrediction(ref, [symbols[span.token] for span in spans])  # type: ignore[arg-type]
        for ref, spans in zip(batch.labels.refs[name], decoded, strict=True)
    ]
    if with_times:
        frame = model.front_end.frame_seconds
        aligned = ctc.align(log_probs, output.lengths, [target or [] for target in targets])
        for row, hyp, ref in zip(rows, decoded, aligned, strict=True):
            row.hyp_times = _times(hyp, frame)
            row.ref_times = None if ref is None else _times(ref, frame)
    return list(rows)


def _times(spans: list[TokenSpan], frame_seconds: float) -> list[list[float]]:
    return [[round(span.start * frame_seconds, 3), round(span.end * frame_seconds, 3)] for span in spans]


def inputs_of(model: SpeechEqModel, cut: MonoCut, speed: float = 1.0) -> list[Tensor]:
    """What a network reads of an utterance that stage 2 has prepared, as a batch of one."""
    heard = load_heard(cut, speed) if model.front_end.reads == "frames" else load_fbank(cut)
    inputs = [heard.feature.unsqueeze(0), torch.tensor([len(heard.feature)])]
    return inputs if heard.statistics is None else [*inputs, heard.statistics.unsqueeze(0)]


@torch.no_grad()
def embeddings_of(model: SpeechEqModel, manifest: Path, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """The (embedding_dim,) vectors that the heads read, of utterances that stage 2 has prepared, by id.

    Raises:
        InputError: stage 2 did not prepare all of them for this network, or it has adapters, which need the corpora.
    """
    if model.spec.corpora:
        raise InputError("vectors of a network with adapters are of no use here: train one with model.adapter_dim=0")
    found = {
        cut.id: model(*inputs_of(model, cut)).embedding[0].numpy()
        for cut in progress_bar(open_cuts(manifest, list(ids)), total=len(ids), desc="vectors", unit="utt")
    }
    if lost := next((id_ for id_ in ids if id_ not in found), None):
        raise InputError(f"{manifest} lacks {lost}: run stage 2 (features) again")
    return found

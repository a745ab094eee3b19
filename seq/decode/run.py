"""Stage 6: what the chosen weights say of the valid and test parts of every fold and seed."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from seq.data.batches import SpeechDataset, eval_loader
from seq.data.folds import Fold
from seq.data.shar import open_cuts
from seq.data.targets import Labeller
from seq.decode.choice import Choice
from seq.decode.embeddings import write_embeddings
from seq.decode.weights import choose_weights
from seq.errors import InputError
from seq.lang.bigram import train_bigram
from seq.lang.units import Lang
from seq.models.model import SpeechEqModel
from seq.tasks.registry import in_order
from seq.train.answers import predict
from seq.train.checkpoint import build_model
from seq.train.ctc import CtcBackend, make_ctc
from seq.train.device import pick_device
from seq.train.experiment import Experiment
from seq.train.jobs import run_jobs
from seq.utils.files import jsonl_writer, write_json
from seq.utils.pool import Workers
from seq.utils.run_folder import DECODED_PARTS, RunFolder


def check_label_set(model: SpeechEqModel, experiment: Experiment, lang: Lang) -> None:
    """Refuse a checkpoint that speaks of other classes than the protocol, or of other symbols than the lang folder."""
    setting = experiment.setting(lang)
    for task in in_order(model.spec.outputs):
        trained, wanted = model.spec.outputs[task.name].labels, task.outputs(setting).labels
        if trained == wanted:
            continue
        if task.kind == "sequence":
            raise InputError(
                f"{experiment.exp_dir} was trained on another {task.name} set than the lang folder has: train again "
                "(stage 5)"
            )
        raise InputError(
            f"{experiment.exp_dir} was trained on the {task.name} labels {', '.join(trained)}, but protocol "
            f"{experiment.protocol.name} has {', '.join(wanted)}: train again (stage 5) or choose that run's protocol"
        )


def _decoding_ctc(experiment: Experiment, lang: Lang, train_ids: list[str], has_text: bool) -> tuple[CtcBackend, str]:
    """The backend that decodes, and what it decodes on."""
    scale = experiment.conf.decode.bigram_scale
    if scale == 0.0 or not has_text:
        return make_ctc(experiment.conf.ctc.backend), "best path on the CTC topology"
    texts = [lang.tokens.encode(lang.transcripts[key]) for key in train_ids if key in lang.transcripts]
    bigram = scale * train_bigram(texts, len(lang.tokens))
    return make_ctc(experiment.conf.ctc.backend, bigram), f"best path on the CTC topology and {scale:g} x a bigram"


def decode_run(experiment: Experiment, fold_number: int, seed: int, choice: Choice | None = None) -> int:
    """Decode the valid and test parts of a run; returns the epoch of the checkpoint.

    Besides the predictions it writes decode.json: which weights they come from, and who chose them; and
    embeddings.npz of the test part.

    Args:
        choice: weights other than those that valid chose.

    Raises:
        InputError: nothing was trained, a checkpoint is missing, or it has another label set.
    """
    run_dir = experiment.run_dir(fold_number, seed)
    fold = experiment.load_fold(fold_number)
    weights, state, record = choose_weights(run_dir, choice or Choice())
    model = build_model(state, weights, run_dir, experiment.conf.model.pretrained.path)
    lang = experiment.open_lang(fold.train, run_dir)
    check_label_set(model, experiment, lang)
    found = decode_parts(experiment, model, lang, fold, seed)
    write_json(RunFolder(run_dir).decode_json, {**record, **found})
    return state["epoch"]


def decode_parts(experiment: Experiment, model: SpeechEqModel, lang: Lang, fold: Fold, seed: int) -> dict[str, Any]:
    """Write the predictions of a network on the valid and test parts, and embeddings.npz of test, to the run's folder.

    Returns how symbols were decoded and how many predictions there are, for decode.json.
    """
    run_dir = experiment.run_dir(fold.fold, seed)
    model.to(pick_device(experiment.device))
    labeller = Labeller(model.spec.outputs, experiment.setting(lang))
    dataset = SpeechDataset(labeller, experiment.conf.features, reads=model.front_end.reads, corpora=model.spec.corpora)
    has_text = model.spec.has_sequence
    ctc, graph = _decoding_ctc(experiment, lang, fold.train, has_text)
    numbers: dict[str, int] = {}
    for part in DECODED_PARTS:
        loader = eval_loader(open_cuts(experiment.cuts, getattr(fold, part)), dataset)
        vectors: dict[str, np.ndarray] = {}
        with jsonl_writer(RunFolder(run_dir).predictions_of(part)) as write:
            for row, embedding in predict(model, loader, ctc, "fp32", with_times=True):
                row.corpus, row.fold, row.seed = experiment.conf.corpus.name, fold.fold, seed
                write(row.to_dict())
                vectors[row.id] = embedding.cpu().numpy()
        numbers[part] = len(vectors)
        if part == "test":
            write_embeddings(run_dir, vectors)
    spelling = {"ctc_backend": ctc.name, "graph": graph} if has_text else {"ctc_backend": None}
    return {**spelling, "num_predictions": numbers}


def decode_experiment(
    experiment: Experiment, folds: list[int], seeds: list[int], workers: Workers = 1, choice: Choice | None = None
) -> None:
    """Decode valid and test of every fold and seed with the weights that valid chose, or with those of `choice`."""
    jobs = [(fold, seed) for fold in folds for seed in seeds]
    run_jobs(partial(_decode, choice=choice), experiment, jobs, workers)


def _decode(experiment: Experiment, fold: int, seed: int, bar_row: int, choice: Choice | None = None) -> None:
    import torch

    torch.set_num_threads(experiment.conf.train.num_threads)
    decode_run(experiment, fold, seed, choice)

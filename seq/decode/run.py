"""From a trained network to predictions: what each utterance is said to be, beside what it is labelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from lhotse import CutSet
from torch.utils.data import DataLoader

from seq.conf import ProtocolConf
from seq.data.batches import Batch, LabelEncoder, SpeechDataset, eval_loader, open_cuts
from seq.data.folds import Fold
from seq.decode.choice import Choice
from seq.decode.embeddings import take_embeddings, write_embeddings
from seq.decode.weights import choose_weights
from seq.errors import InputError
from seq.labels import intensity_value, nearest_level
from seq.lang.bigram import train_bigram
from seq.lang.tokens import TokenTable
from seq.lang.units import Lang
from seq.models.model import GENDERS, ModelOutput, SpeechEqModel
from seq.train.checkpoint import build_model
from seq.train.ctc import CtcBackend, TokenSpan, make_ctc
from seq.train.device import autocast, pick_device
from seq.train.experiment import Experiment
from seq.utils.files import write_json, write_jsonl
from seq.utils.run_folder import RunFolder

EVAL_BATCH_DURATION = 60.0
# Seconds between two frames of fbank.
FRAME_SHIFT = 0.01
# The parts of a fold that are decoded.
PARTS: Final[tuple[Literal["test", "valid"], ...]] = ("test", "valid")


def _emotion(model: SpeechEqModel, probs: list[float], ref: str | None) -> dict[str, Any]:
    names = model.spec.emotions
    best = max(range(len(names)), key=probs.__getitem__)
    return {"ref": ref, "hyp": names[best], "probs": dict(zip(names, probs, strict=True))}


def _intensity(model: SpeechEqModel, probs: list[float], ref: float | None) -> dict[str, Any]:
    value = float(intensity_value(probs))  # type: ignore[arg-type]
    anchors = model.spec.anchors
    return {"ref": ref, "hyp": nearest_level(value, anchors) if anchors else value, "value": value, "probs": probs}


def _gender(probs: list[float], ref: str | None) -> dict[str, Any]:
    return {"ref": ref, "hyp": GENDERS[int(probs[1] > probs[0])], "probs": dict(zip(GENDERS, probs, strict=True))}


def _phones(
    model: SpeechEqModel, output: ModelOutput, batch: Batch, encoder: LabelEncoder, ctc: CtcBackend, with_times: bool
) -> list[dict[str, Any]]:
    """Reference and hypothesis of a batch; with times, the start and end (s) of each of their tokens.

    The hypothesis has the times of the best path, the reference those of its Viterbi alignment (None where it does
    not fit into the frames).
    """
    assert output.phone is not None
    seconds = FRAME_SHIFT * model.spec.model.subsampling

    def times(spans: list[TokenSpan] | None) -> list[list[float]] | None:
        return None if spans is None else [[round(s.start * seconds, 3), round(s.end * seconds, 3)] for s in spans]

    decoded = ctc.decode(output.phone, output.lengths)
    rows: list[dict[str, Any]] = [
        {"ref": encoder.transcript(key), "hyp": [model.spec.tokens[span.token] for span in spans]}
        for key, spans in zip(batch.ids, decoded, strict=True)
    ]
    if with_times:
        known = [target or [] for target in batch.targets.phone]
        aligned = ctc.align(output.phone, output.lengths, known)
        for row, hyp, ref in zip(rows, decoded, aligned, strict=True):
            row["hyp_times"] = times(hyp)
            if row["ref"] is not None:
                row["ref_times"] = times(ref)
    return rows


@torch.no_grad()
def predict(
    model: SpeechEqModel,
    loader: DataLoader[Batch],
    cuts: CutSet,
    encoder: LabelEncoder,
    ctc: CtcBackend,
    precision: str,
    with_times: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield a row of predictions.jsonl (less corpus, fold and seed) per cut, in the loader's order.

    Each has `embedding`, too, an (embedding_dim,) tensor, for the caller to take out.
    """
    device = model.feature_mean.device
    cuts_iterator = iter(cuts)
    for batch in loader:
        with autocast(device, precision):
            output = model(batch.feature.to(device), batch.feature_lens.to(device))
        probs = _probabilities(output)
        phones = _phones(model, output, batch, encoder, ctc, with_times) if output.phone is not None else None
        for i, utterance_id in enumerate(batch.ids):
            cut = next(cuts_iterator)
            assert cut.id == utterance_id, f"loader and manifest disagree: {utterance_id} and {cut.id}"
            supervision = cut.supervisions[0]
            row: dict[str, Any] = {"id": cut.id, "speaker": supervision.speaker, "embedding": output.embedding[i]}
            if "emotion" in probs:
                row["emotion"] = _emotion(model, probs["emotion"][i], encoder.emotion(cut))
            if "intensity" in probs:
                row["intensity"] = _intensity(model, probs["intensity"][i], (supervision.custom or {}).get("intensity"))
            if "gender" in probs:
                row["gender"] = _gender(probs["gender"][i], supervision.gender)
            if phones is not None:
                row["phone"] = phones[i]
            yield row


def _probabilities(output: ModelOutput) -> dict[str, list[list[float]]]:
    probs: dict[str, list[list[float]]] = {}
    if output.emotion is not None:
        probs["emotion"] = output.emotion.softmax(dim=-1).tolist()
    if output.intensity is not None:
        probs["intensity"] = output.intensity.sigmoid().tolist()
    if output.gender is not None:
        probs["gender"] = output.gender.softmax(dim=-1).tolist()
    return probs


def check_label_set(model: SpeechEqModel, protocol: ProtocolConf, tokens: TokenTable, run_dir: Path) -> None:
    """Refuse a checkpoint that speaks of other classes than the protocol, or of other phones than the lang folder."""
    if model.spec.emotions != protocol.emotions:
        raise InputError(
            f"{run_dir} was trained on the emotions {', '.join(model.spec.emotions)}, but protocol {protocol.name} has "
            f"{', '.join(protocol.emotions)}: train again (stage 5) or choose that run's protocol"
        )
    if "phone" in model.spec.tasks and model.spec.tokens != list(tokens.symbols):
        raise InputError(f"{run_dir} was trained on another phone set than the lang folder has: train again (stage 5)")


def _decoding_ctc(experiment: Experiment, lang: Lang, train_ids: list[str]) -> tuple[CtcBackend, str]:
    """The backend that decodes, and what it decodes on."""
    scale = experiment.conf.decode.bigram_scale
    if scale == 0.0 or "phone" not in experiment.tasks:
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
    model = build_model(state, weights, run_dir)
    lang = experiment.open_lang(fold.train, run_dir)
    check_label_set(model, experiment.protocol, lang.tokens, run_dir)
    spelling = decode_parts(experiment, model, lang, fold, seed)
    write_json(RunFolder(run_dir).decode_json, {**record, **spelling})
    return state["epoch"]


def decode_parts(
    experiment: Experiment, model: SpeechEqModel, lang: Lang, fold: Fold, seed: int
) -> dict[str, str | None]:
    """Write the predictions of a network on the valid and test parts, and embeddings.npz of test, to the run's folder.

    Returns how phones were decoded, for decode.json.
    """
    run_dir = experiment.run_dir(fold.fold, seed)
    model.to(pick_device(experiment.device))
    encoder = LabelEncoder(experiment.protocol, lang.tokens, lang.transcripts)
    dataset = SpeechDataset(encoder, experiment.conf.features)
    ctc, graph = _decoding_ctc(experiment, lang, fold.train)
    head = {"corpus": experiment.conf.corpus.name, "fold": fold.fold, "seed": seed}
    for part in PARTS:
        cuts = open_cuts(experiment.cuts, getattr(fold, part))
        loader = eval_loader(cuts, dataset, EVAL_BATCH_DURATION)
        rows = predict(model, loader, cuts, encoder, ctc, "fp32", with_times=True)
        vectors: dict[str, np.ndarray] = {}
        rows = take_embeddings(rows, vectors)
        write_jsonl(RunFolder(run_dir).predictions_of(part), ({"id": row.pop("id"), **head, **row} for row in rows))
        if part == "test":
            write_embeddings(run_dir, vectors)
    return {"ctc_backend": ctc.name, "graph": graph} if model.phone_head is not None else {"ctc_backend": None}

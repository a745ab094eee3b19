"""From a trained network to predictions: what each utterance is said to be, beside what it is labelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lhotse import CutSet
from torch.utils.data import DataLoader

from seq.checkpoint import load_model
from seq.conf import ProtocolConf
from seq.ctc import CtcBackend, make_ctc
from seq.datamodule import Batch, LabelEncoder, SpeechDataset, eval_loader, open_cuts
from seq.device import autocast, pick_device
from seq.errors import InputError
from seq.experiment import Experiment
from seq.files import write_jsonl
from seq.labels import intensity_value, nearest_level
from seq.lang import TokenTable, read_transcripts
from seq.models.model import GENDERS, ModelOutput, SpeechEqModel

EVAL_BATCH_DURATION = 60.0
# Fold part and the file that holds its predictions.
PARTS = {"test": "predictions.jsonl", "valid": "valid_predictions.jsonl"}


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


@torch.no_grad()
def predict(
    model: SpeechEqModel,
    loader: DataLoader[Batch],
    cuts: CutSet,
    encoder: LabelEncoder,
    ctc: CtcBackend,
    precision: str,
) -> Iterator[dict[str, Any]]:
    """Yield a row of predictions.jsonl (less corpus, fold and seed) per cut, in the loader's order."""
    device = model.feature_mean.device
    cuts_iterator = iter(cuts)
    for batch in loader:
        with autocast(device, precision):
            output = model(batch.feature.to(device), batch.feature_lens.to(device))
        probs = _probabilities(output)
        phones = ctc.decode(output.phone, output.lengths) if output.phone is not None else None
        for i, utterance_id in enumerate(batch.ids):
            cut = next(cuts_iterator)
            assert cut.id == utterance_id, f"loader and manifest disagree: {utterance_id} and {cut.id}"
            supervision = cut.supervisions[0]
            row: dict[str, Any] = {"id": cut.id, "speaker": supervision.speaker}
            if "emotion" in probs:
                row["emotion"] = _emotion(model, probs["emotion"][i], encoder.emotion(cut))
            if "intensity" in probs:
                row["intensity"] = _intensity(model, probs["intensity"][i], (supervision.custom or {}).get("intensity"))
            if "gender" in probs:
                row["gender"] = _gender(probs["gender"][i], supervision.gender)
            if phones is not None:
                row["phone"] = {
                    "ref": encoder.transcript(cut.id),
                    "hyp": [model.spec.tokens[token] for token in phones[i]],
                }
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


def decode_run(experiment: Experiment, fold_number: int, seed: int) -> int:
    """Decode the valid and test parts of a run with its best checkpoint; returns the checkpoint's epoch.

    Raises:
        InputError: nothing was trained, or the checkpoint has another label set.
    """
    run_dir = experiment.run_dir(fold_number, seed)
    fold = experiment.load_fold(fold_number)
    tokens = TokenTable.read(experiment.lang_dir / "tokens.txt")
    model, epoch = load_model(run_dir)
    check_label_set(model, experiment.protocol, tokens, run_dir)
    model.to(pick_device(experiment.device))
    encoder = LabelEncoder(experiment.protocol, tokens, read_transcripts(experiment.lang_dir))
    dataset = SpeechDataset(encoder, experiment.conf.features)
    ctc = make_ctc(experiment.conf.ctc.backend)
    head = {"corpus": experiment.conf.corpus.name, "fold": fold_number, "seed": seed}
    for part, file_name in PARTS.items():
        cuts = open_cuts(experiment.cuts, getattr(fold, part))
        rows = predict(model, eval_loader(cuts, dataset, EVAL_BATCH_DURATION), cuts, encoder, ctc, "fp32")
        write_jsonl(run_dir / file_name, ({"id": row.pop("id"), **head, **row} for row in rows))
    return epoch

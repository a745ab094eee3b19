"""What model.json says of a network and of the run that it comes from."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import seq
from seq.audio.reading import MIN_SAMPLES, SAMPLING_RATE
from seq.conf import Conf
from seq.corpora.record import read_corpus_json
from seq.export.doubt import fit_calibration
from seq.export.whole_run import WholeRun, recipe_of, shared_with_train
from seq.runtime.folder import FORMAT
from seq.tasks.registry import main_category
from seq.utils.provenance import git_commit, without_private_paths

if TYPE_CHECKING:
    from seq.models.model import SpeechEqModel

# Sections of the conf that decide how training goes on from a model folder; sizes and features are there in any case.
CONTINUED = ("lang", "augment", "ctc", "train")


def describe_run(run_dir: Path, model: SpeechEqModel, conf: Conf, epoch: int, run: WholeRun) -> dict[str, Any]:
    """Less norms, digests and what is measured once the graph is there."""
    from seq.models.model import num_parameters
    from seq.train.validation import valid_scores

    record, outputs = run.record, model.spec.outputs
    main = main_category(outputs)
    categories = {name: found.labels for name, found in outputs.items() if found.kind == "category"}
    calibration, fitted_on = fit_calibration(run_dir, epoch, run, main.name if main else None, categories)
    return {
        "format": FORMAT,
        "version": seq.__version__,
        "commit": git_commit(),
        "tasks": {name: found.to_dict() for name, found in outputs.items()},
        "main": main.name if main else None,
        "features": {
            "extractor": conf.features.extractor,
            "num_filters": conf.features.num_filters,
            "trim": conf.features.trim,
            "sampling_rate": SAMPLING_RATE,
            "min_samples": MIN_SAMPLES,
            "frame_seconds": model.front_end.frame_seconds,
            "one_length": model.spec.encoder is not None,
        },
        "network": _network(model),
        "encoder": None if model.spec.encoder is None else model.spec.encoder.to_dict(),
        "num_parameters": num_parameters(model),
        "epoch": epoch,
        "corpus": corpora_of(conf),
        "protocol": {**record["protocol"], "fold": record["fold"], "seed": record["seed"]},
        "shared": shared_with_train(run),
        "scores": {"valid": valid_scores(run.valid, outputs), "test": valid_scores(run.test, outputs)},
        "calibration": calibration,
        "fitted_on": fitted_on,
        "training": {
            "command": without_private_paths(record.get("command") or ""),
            **{key: record.get(key) for key in ("commit", "versions", "num_train", "epochs")},
        },
        "conf": _continued(conf),
        "missing": _missing(run_dir),
        "finetuned_from": record.get("start"),
    }


def _continued(conf: Conf) -> dict[str, Any]:
    """What finetuning takes over of the conf; a teacher stays behind, since it knows nothing of another corpus, and a
    folder of noises, since it is on this machine.
    """
    conf = replace(conf, train=replace(conf.train, teacher=""), augment=replace(conf.augment, noise_dir=""))
    return {section: asdict(getattr(conf, section)) for section in CONTINUED}


def _network(model: SpeechEqModel) -> dict[str, Any]:
    """The network without the place of its encoder on this machine, which is nobody else's business."""
    network = model.spec.to_dict()
    network["model"]["pretrained"]["path"] = ""
    return network


def _missing(run_dir: Path) -> str | None:
    """What the copy of the corpus lacked, if it was partial."""
    corpus_json = recipe_of(run_dir) / "data" / "corpus.json"
    return read_corpus_json(corpus_json).get("missing") if corpus_json.is_file() else None


def corpora_of(conf: Conf) -> str:
    """What it was trained on, by name."""
    return " and ".join(item.name for item in conf.unified.corpora) or conf.corpus.name

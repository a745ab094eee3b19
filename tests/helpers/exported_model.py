"""A model folder of a tiny network, trained for two epochs on random features: what it says means nothing."""

from __future__ import annotations

from pathlib import Path

from tiny_experiment import make_experiment, tiny_conf

from seq.decode.run import decode_run
from seq.export.run import export_run
from seq.train.experiment import Experiment
from seq.train.run import train_run


def make_run(folder: Path, encoder: str = "tdnn") -> Experiment:
    """An experiment with one run, trained and decoded."""
    conf = tiny_conf()
    conf.model.encoder = encoder  # type: ignore[assignment]
    # Frames of 20 ms, whatever the default is.
    conf.model.subsampling = 2
    experiment = make_experiment(folder, conf)
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    return experiment


def make_model_folder(folder: Path) -> Path:
    """Train and export; returns the model folder."""
    experiment = make_run(folder)
    export_run(experiment.run_dir(1, 0), folder / "model")
    return folder / "model"

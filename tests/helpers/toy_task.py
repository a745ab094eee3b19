"""A task that is no part of SpeechEQ: whether an utterance is read or acted, and the tiny experiment with it.

It says what a task has to say and nothing more; training, scores, tables, export and prediction know none of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lhotse import CutSet
from lhotse.features.io import NumpyFilesWriter
from tiny_experiment import make_cuts, make_experiment, tiny_conf

from seq.tasks.base import Column, Outputs, Setting, Supervision
from seq.tasks.kinds import CategoryTask
from seq.train.experiment import Experiment

STYLES = ("read", "acted")


class Style(CategoryTask):
    """Read or acted."""

    name = "style"
    order = 35
    loss_scale = 0.5
    columns = (Column("UA", "style UA %"),)

    def outputs(self, setting: Setting) -> Outputs:
        return Outputs(self.kind, labels=STYLES)

    def label(self, supervision: Supervision, setting: Setting) -> str | None:
        return (supervision.custom or {}).get(self.name)


STYLE = Style()


def style_of(id_: str) -> str | None:
    """The style of an utterance of the tiny experiment, whose id ends with its number; the first ones have none."""
    number = int(id_.rpartition("-")[2])
    return None if number == 0 else STYLES[number % 2]


def make_styled_experiment(folder: Path, **train: Any) -> Experiment:
    """The tiny experiment with styles: who acts is louder."""
    writer = NumpyFilesWriter(folder / "styled")
    cuts = []
    for cut in make_cuts(folder):
        feature, style = np.array(cut.load_features()), style_of(cut.id)
        if style is not None:
            cut.supervisions[0].custom["style"] = style
            feature += 4.0 * STYLES.index(style)
        cut.features.storage_path, cut.features.storage_key = str(writer.storage_path), writer.write(cut.id, feature)
        cuts.append(cut)
    return make_experiment(folder, tiny_conf(**train), ["emotion", "style"], CutSet.from_cuts(cuts))

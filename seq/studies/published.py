"""Figures that others have published, each with the protocol it was measured under, beside ours.

None of them was measured by us. A figure whose split is not published cannot be compared with one whose split is;
the table says so and does not rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seq.conf import Conf, read_conf
from seq.recipe.files import experiment_name
from seq.report.cells import MISSING, leading_columns
from seq.score.types import read_scores
from seq.tasks.registry import main_task
from seq.utils.markdown_text import markdown_table

PAPER: Final = "SpeechEQ, arXiv 2206.13101"
EMOBOX: Final = "EmoBox, frozen encoder"
EMOBOX_NOTE: Final = "every checkpoint scored on test: an upper figure"
UNKNOWN_SPLIT: Final = "split and selection not published"
NOT_RUN: Final = "not run on this machine"


@dataclass(frozen=True)
class Published:
    """One published figure of the main task; UA and WA in percent, None where it is not given."""

    corpus: str
    source: str
    system: str
    protocol: str
    ua: float | None
    wa: float | None
    note: str = ""


@dataclass(frozen=True)
class Compared:
    """A corpus of the comparison, and the protocols of ours that stand beside the published figures."""

    corpus: str
    title: str
    # Protocol of our conf, and how it relates to the published ones.
    protocols: tuple[tuple[str, str], ...]


FIGURES: Final = (
    Published("casia", PAPER, "SpeechEQ", UNKNOWN_SPLIT, None, None, "accuracy 8.0 above its own baseline (abstract)"),
    Published("casia", EMOBOX, "WavLM-large", "EmoBox, 4 folds by speaker", 52.12, None, EMOBOX_NOTE),
    Published("casia", EMOBOX, "Whisper-large-v3", "EmoBox, 4 folds by speaker", 59.58, None, EMOBOX_NOTE),
    Published("esd", PAPER, "SpeechEQ", f"Mandarin; {UNKNOWN_SPLIT}", None, None,
              "accuracy 6.5 above its own baseline (abstract)"),
    Published("esd", EMOBOX, "WavLM-large", "EmoBox, 5 folds by speaker", 79.14, None, EMOBOX_NOTE),
    Published("esd", EMOBOX, "Whisper-large-v3", "EmoBox, 5 folds by speaker", 84.62, None, EMOBOX_NOTE),
    Published("iemocap", PAPER, "SpeechEQ", f"4 classes; {UNKNOWN_SPLIT}", 77.47, 78.16),
    Published("iemocap", EMOBOX, "WavLM-large", "EmoBox, 4 classes, 5 folds by session", 69.47, None, EMOBOX_NOTE),
    Published("iemocap", EMOBOX, "Whisper-large-v3", "EmoBox, 4 classes, 5 folds by session", 73.54, None, EMOBOX_NOTE),
    Published("ravdess", EMOBOX, "WavLM-large", "EmoBox, 6 folds by speaker", 72.00, None, EMOBOX_NOTE),
    Published("ravdess", EMOBOX, "Whisper-large-v3", "EmoBox, 6 folds by speaker", 75.32, None, EMOBOX_NOTE),
    Published("ravdess", "openSMILE, measured on EmoBox's folds", "ComParE_2016 + SVM", "EmoBox, 6 folds by speaker",
              56.45, None, "C chosen on test: an upper figure"),
    Published("ravdess", "openSMILE, measured on EmoBox's folds", "eGeMAPS + SVM", "EmoBox, 6 folds by speaker",
              48.96, None, "C chosen on test: an upper figure"),
    Published("ravdess", "Ab-Romia/RAVDESS-emotion-recognition (GitHub)", "WavLM-large, frozen",
              "6 own folds by speaker, valid speakers apart", None, 70.3, "± 6.5 over the folds; strict"),
    Published("ravdess", "arXiv 2606.03359", "ResLSTM-SA, from scratch",
              "5 own folds by speaker; settings tuned on test", 62.32, None,
              "mean of ten runs, ± 1.19; the best of them: 65.17"),
)  # fmt: skip

COMPARED: Final = (
    Compared("casia", "CASIA (Mandarin)", (("loso", "EmoBox's folds"), ("random10", "SPEAKER-DEPENDENT"))),
    Compared("esd", "ESD", (
        ("zh", "Mandarin, the paper's language; our split"),
        ("emobox", "EmoBox's folds, both languages"),
        ("official", "SPEAKER-DEPENDENT"),
    )),
    Compared("iemocap", "IEMOCAP (English)", (("four", "EmoBox's sessions"),)),
    Compared("ravdess", "RAVDESS (English)", (("emobox", "EmoBox's folds"),)),
)  # fmt: skip


def comparison(egs: Path, experiments: dict[tuple[str, str], Path], with_public: bool) -> str:
    """The tables as Markdown.

    Args:
        egs: folder of the recipes; ours is `egs/<corpus>/exp/<its model>_<protocol>/scores.json`.
        experiments: (corpus, protocol) to another scores.json.
        with_public: RAVDESS too, which is public and not in the paper.
    """
    parts = [
        "# Ours beside published figures",
        "Published figures are quoted, not measured here. EmoBox's are of large frozen pretrained encoders; ours are "
        "called `<model>_<protocol>`, and `local/conf/<model>.yaml` says what the model is. A figure whose split is "
        "not published is no measure of either. EmoBox's example code (`examples/sb/train.py` of emo-box/EmoBox) "
        "scores every checkpoint on test, so its figures are upper ones.",
    ]
    for item in COMPARED:
        if item.corpus == "ravdess" and not with_public:
            continue
        rows = [
            [figure.source, figure.system, figure.protocol, *_percent(figure.ua), *_percent(figure.wa), figure.note]
            for figure in FIGURES
            if figure.corpus == item.corpus
        ]
        for protocol, relation in item.protocols:
            name = experiment_name(_model(egs / item.corpus), protocol)
            default = egs / item.corpus / "exp" / name / "scores.json"
            rows.append(_ours(experiments.get((item.corpus, protocol), default), protocol, relation))
        header = ["source", "system", "protocol", "UA %", "WA %", "note"]
        parts.append(f"## {item.title}\n\n{markdown_table(header, rows)}")
    return "\n\n".join(parts) + "\n"


def _model(recipe: Path) -> str:
    """The model that a recipe trains by default."""
    conf = recipe / "conf/default.yaml"
    return read_conf(conf, [])["model_name"] if conf.is_file() else Conf.model_name


def _percent(value: float | None) -> list[str]:
    return [MISSING if value is None else f"{value:.2f}"]


def _ours(path: Path, protocol: str, relation: str) -> list[str]:
    if not path.exists():
        return [
            "ours",
            path.parent.name,
            f"{protocol}: {relation}",
            MISSING,
            MISSING,
            NOT_RUN,
        ]
    scores = read_scores(path)
    pooled = scores["pooled"]
    first, second = leading_columns(main_task())
    done, total = len(scores["folds"]), scores["protocol"]["num_folds"]
    notes = [f"{first.metric} 95 % {first.interval(pooled)}", f"seeds {', '.join(map(str, scores['seeds']))}"]
    notes += [f"{done} OF {total} FOLDS"] if done < total else []
    notes += ["INCOMPLETE CORPUS"] if scores.get("partial") else []
    system = path.parent.name
    return ["ours", system, f"{protocol}: {relation}", first.value(pooled), second.value(pooled), "; ".join(notes)]

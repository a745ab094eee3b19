"""The unified metric as a table: what every corpus's own labels become, and how many utterances have them.

Counts come from the manifests that the recipes have prepared; a label of a conf whose corpus is not prepared has none.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seq.conf import Conf, load_conf
from seq.errors import InputError
from seq.labels import EMOTION, INTENSITY, NEUTRAL, check_labels, map_labels
from seq.utils.files import read_jsonl

HEADER: Final = ("corpus", "raw emotion", "category", "raw intensity", "intensity", "utterances")
NONE: Final = "–"


@dataclass(frozen=True)
class Line:
    """One row: raw labels of a corpus, what they become, and how many utterances have both (None: not prepared)."""

    corpus: str
    raw_emotion: str
    category: str
    raw_intensity: str
    intensity: str
    count: int | None

    def cells(self) -> list[str]:
        """The row as text."""
        count = NONE if self.count is None else str(self.count)
        return [self.corpus, self.raw_emotion, self.category, self.raw_intensity, self.intensity, count]


def corpus_lines(conf: Conf, cuts: Path) -> list[Line]:
    """The rows of one corpus: those of its manifest where there is one, those that its conf can give otherwise.

    Ratings that are numbers, of which each utterance may have its own, are one row per category, with their range.
    """
    check_labels(conf.corpus)
    if not cuts.exists():
        return _from_conf(conf)
    counts: Counter[tuple[str, str, str]] = Counter()
    values: dict[tuple[str, str, str], list[float]] = {}
    known = {item.raw for item in conf.corpus.intensities}
    for cut in read_jsonl(cuts):
        custom = cut["supervisions"][0].get("custom") or {}
        rating = custom.get("raw_intensity")
        raw = NONE if rating is None else rating if rating in known else "a rating"
        key = (custom.get("raw_emotion") or NONE, custom.get("emotion") or NONE, raw)
        counts[key] += 1
        if custom.get("intensity") is not None:
            values.setdefault(key, []).append(custom["intensity"])
    return [
        Line(conf.corpus.name, emotion, category, raw, _range(values.get((emotion, category, raw), [])), count)
        for (emotion, category, raw), count in sorted(counts.items())
    ]


def _range(values: list[float]) -> str:
    if not values:
        return NONE
    low, high = min(values), max(values)
    return f"{low:.3f}" if high - low < 1e-9 else f"{low:.3f} to {high:.3f}"


def _from_conf(conf: Conf) -> list[Line]:
    corpus = conf.corpus
    lines = []
    for item in corpus.emotions:
        rated = item.name != NEUTRAL and corpus.intensities
        raws: list[str | None] = [level.raw for level in corpus.intensities] if rated else [None]
        for raw in raws:
            labels = map_labels("", {EMOTION: item.raw, INTENSITY: raw}, corpus)
            values = [float(labels[INTENSITY])] if INTENSITY in labels else []
            lines.append(Line(corpus.name, item.raw, item.name, raw or NONE, _range(values), None))
        if INTENSITY in corpus.scales and item.name != NEUTRAL:
            lines.append(Line(corpus.name, item.raw, item.name, "a rating", "0.000 to 1.000", None))
    return lines


def labels_lines(egs: Path, corpora: Sequence[str]) -> list[Line]:
    """The rows of the recipes below `egs`, or of those named.

    Raises:
        InputError: there is no recipe of that name, or a conf is wrong.
    """
    confs = {path.parent.parent.name: path for path in sorted(egs.glob("*/conf/default.yaml"))}
    unknown = [name for name in corpora if name not in confs]
    if unknown or not confs:
        raise InputError(
            f"{egs} has no recipe {unknown[0] if unknown else 'at all'}; it has {', '.join(confs) or 'none'}"
        )
    lines = []
    for name in corpora or confs:
        conf = load_conf(confs[name])
        if not conf.unified.corpora:
            lines += corpus_lines(conf, egs / name / f"data/manifests/{conf.corpus.name}_cuts.jsonl.gz")
    return lines


def format_lines(lines: Sequence[Line], style: str) -> str:
    """The rows as a Markdown table or as tab-separated values."""
    if style == "tsv":
        text = io.StringIO()
        csv.writer(text, delimiter="\t", lineterminator="\n").writerows([HEADER, *(line.cells() for line in lines)])
        return text.getvalue()
    rows = [list(HEADER), *(line.cells() for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    written = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([written[0], rule, *written[1:]]) + "\n"


def print_labels(corpora: Sequence[str], egs: Path | None = None, style: str = "markdown") -> None:
    """Print the table of the recipes below `egs` (default: this repository's). Raises InputError as `labels_lines`."""
    egs = egs or Path(__file__).resolve().parents[2] / "egs"
    sys.stdout.write(format_lines(labels_lines(egs, corpora), style))

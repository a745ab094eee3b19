"""What pitch, melody and tempo are usual in a corpus: the norms that `speecheq predict --describe` compares with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from seq.audio.reading import read_audio
from seq.runtime.prosody import Prosody, prosody, voiced_frames
from seq.tasks.predictions import Prediction, SequencePrediction
from seq.utils.files import read_jsonl
from seq.utils.sampling import evenly

NUM_UTTERANCES = 300
MEASURES = ("pitch", "movement", "dynamics", "harmonicity")
# Fewer utterances than this are no norm.
_MIN_UTTERANCES = 5


def measure_norms(cuts: Path, corpus: str, excluded: set[str], valid: list[Prediction]) -> dict[str, Any] | None:
    """Mean and standard deviation of each measure over up to 300 utterances, evenly drawn from the manifest.

    Args:
        cuts: a manifest of cuts (Lhotse's JSON lines) with audio.
        corpus: what to call the corpus.
        excluded: ids that are left out (the test part).
        valid: predictions, from which the rate of phones is taken as the network hears them.

    Returns:
        `corpus`, `num_utterances`, `movement`, `dynamics`, `harmonicity`, `rate`: {"mean", "std"}, and `pitch` by
        gender, in octaves above 1 Hz; None where the manifest has too few utterances.
    """
    rows = [row for row in read_jsonl(cuts) if row["id"] not in excluded and "recording" in row]
    durations = {row["id"]: row["duration"] for row in rows}
    chosen = evenly(rows, NUM_UTTERANCES)
    measured: list[Prosody] = []
    genders: list[str | None] = []
    for row in chosen:
        samples = read_audio(row["recording"]["sources"][0]["source"], row["start"], row["duration"])
        found = prosody([voiced_frames(samples)], None, 0.0)
        if found is not None:
            measured.append(found)
            genders.append(row["supervisions"][0].get("gender"))
    if len(measured) < _MIN_UTTERANCES:
        return None
    norms: dict[str, Any] = {"corpus": corpus, "num_utterances": len(measured)}
    norms["pitch"] = {
        gender: _norm([m.pitch for m, g in zip(measured, genders, strict=True) if g == gender])
        for gender in sorted({g for g in genders if g})
    }
    norms |= {name: _norm([getattr(m, name) for m in measured]) for name in MEASURES if name != "pitch"}
    heard = ((row.id, answer) for row in valid for answer in row.tasks.values())
    spelt = {id_: len(answer.hyp) for id_, answer in heard if isinstance(answer, SequencePrediction)}
    norms["rate"] = _norm(number / durations[id_] for id_, number in spelt.items() if durations.get(id_, 0) > 0)
    return norms


def _norm(values: Iterable[float]) -> dict[str, float] | None:
    array = np.array(list(values))
    if len(array) < _MIN_UTTERANCES or array.std() == 0:
        return None
    return {"mean": float(array.mean()), "std": float(array.std())}

"""A recording that was uploaded, as what the page draws: the answer, the wave, and the course of emotion in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seq.audio.opening import audio_duration, open_audio
from seq.audio.reading import SAMPLING_RATE, read_audio
from seq.audio.trimming import is_silent
from seq.errors import InputError
from seq.runtime.engine import Piece
from seq.runtime.model import Model
from seq.runtime.results import Answer

# An hour takes about a minute of one core; whoever has more uses `speecheq predict`.
MAX_SECONDS = 3600.0
NUM_PEAKS = 1600
# Of a recording that is answered as one utterance, the course in time comes from windows of this length.
COURSE_WINDOW_SECONDS = 1.5
COURSE_HOP_SECONDS = 0.25


def judge(model: Model, path: Path, name: str) -> dict[str, Any]:
    """Judge the file at `path`, which its user calls `name`.

    Returns:
        `result`: what `speecheq predict --describe` prints; `peaks`: the largest magnitude in each of up to NUM_PEAKS
        equal parts of the recording; `course`: short windows with start and end (seconds) and all answers but symbols.

    Raises:
        InputError: not audio, truncated, empty, silent, NaN, or longer than an hour; the sentence says `name`.
    """
    try:
        seconds = audio_duration(path)
        if seconds > MAX_SECONDS:
            raise InputError(
                f"{path} is {seconds / 60:.0f} minutes long, the page takes {MAX_SECONDS / 60:.0f}: "
                "cut it, or use speecheq predict"
            )
        result = model.predict_file(path, describe=True)
        windows = result.windows or _course(model, path)
        peaks = _peaks(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), name)) from error
    course = [_point(window) for window in windows]
    return {"result": {"path": name, **result.to_dict()}, "peaks": peaks, "course": course}


def _course(model: Model, path: Path) -> list[Answer]:
    """Answers for overlapping short windows; none of a recording that is hardly longer than one."""
    samples = read_audio(path)
    window, hop = round(COURSE_WINDOW_SECONDS * SAMPLING_RATE), round(COURSE_HOP_SECONDS * SAMPLING_RATE)
    starts = range(0, len(samples) - window + 1, hop)
    if len(starts) < 2:
        return []
    pieces = [Piece(samples[start : start + window], start / SAMPLING_RATE) for start in starts]
    return model.engine.run([piece for piece in pieces if not is_silent(piece.samples)])


def _point(answer: Answer) -> dict[str, Any]:
    """A window without its symbols, of which a page would be full."""
    spelt = [task.called for task in answer.catalogue.shown() if task.kind == "sequence"]
    return {key: value for key, value in answer.to_dict().items() if key not in spelt}


def _peaks(path: Path) -> list[float]:
    with open_audio(path) as file:
        size = max(-(-file.frames // NUM_PEAKS), 1)
        peaks = []
        while len(block := file.read(size, dtype="float32", always_2d=True)):
            peaks.append(round(float(np.abs(block.mean(axis=1)).max()), 4))
        return peaks

"""Run the exported network on pieces of speech and turn its numbers into answers. Needs numpy and onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from seq.audio.reading import MIN_SAMPLES, SAMPLING_RATE
from seq.errors import InputError
from seq.labels import INTENSITY_ANCHORS, INTENSITY_NAMES, intensity_value, nearest_level
from seq.runtime.folder import ONNX, read_model_folder
from seq.runtime.results import Answer, Category, Intensity, Phone

# Whoever hears less than this cannot judge: the answer is given, and marked uncertain.
MIN_CERTAIN_SECONDS = 0.3
# A CTC peak stands for a phone that reaches at most this far to either side of it.
PHONE_REACH_SECONDS = 0.1


@dataclass(frozen=True)
class Piece:
    """A stretch of speech: (S,) float32 samples at 16 kHz, and where it begins in the recording, in seconds."""

    samples: np.ndarray
    start: float = 0.0


class Graph:
    """The exported network: waveforms in, the outputs named in `seq.export.waveform_model` out."""

    def __init__(self, path: Path, num_threads: int = 1) -> None:
        """Raises InputError where onnxruntime cannot load the file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        # Warnings about the graph are of no use to whoever wants an answer.
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions have no common base class.
            raise InputError(f"{path} cannot be loaded by onnxruntime: export the model again") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, waveforms: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of the graph (see `seq.export.waveform_model`) for N waveforms (S_i,), by name.

        What is shorter than one frame of 25 ms is padded with zeros to one.
        """
        lengths = np.array([max(len(waveform), MIN_SAMPLES) for waveform in waveforms], dtype=np.int64)
        padded = np.zeros((len(waveforms), int(lengths.max())), dtype=np.float32)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = waveform
        values = self._session.run(self._outputs, {"waveform": padded, "lengths": lengths})
        return dict(zip(self._outputs, values, strict=True))


class Engine:
    """A loaded model. `run` may be called from several threads at once."""

    def __init__(self, folder: Path | str, num_threads: int = 1) -> None:
        """Raises InputError where the folder is not whole (see `read_model_folder`) or is not for this version."""
        self.description: dict[str, Any] = read_model_folder(folder)
        self.graph = Graph(Path(folder) / ONNX, num_threads)

    def run(self, pieces: Sequence[Piece]) -> list[Answer]:
        """One answer per piece, in the same order; all pieces go through the network together."""
        if not pieces:
            return []
        raw = self.graph.run([piece.samples for piece in pieces])
        return [self._answer(piece, {name: value[i] for name, value in raw.items()}) for i, piece in enumerate(pieces)]

    def _answer(self, piece: Piece, raw: dict[str, np.ndarray]) -> Answer:
        duration = len(piece.samples) / SAMPLING_RATE
        emotion = self._category("emotion", raw, self.description["emotions"])
        phones = None
        if "phone" in raw:
            phones = self._phones(raw["phone"][: int(raw["frames"])], piece.start, piece.start + duration)
        value = float(intensity_value(_sigmoid(raw["intensity"]))) if "intensity" in raw else None
        return Answer(
            start=piece.start,
            end=piece.start + duration,
            emotion=emotion,
            uncertain=self.is_uncertain(emotion, duration),
            intensity=None if value is None else self.intensity(value),
            gender=self._category("gender", raw, self.description["genders"]),
            phones=phones,
        )

    def is_uncertain(self, emotion: Category | None, duration: float) -> bool | None:
        """Whether an answer should not be relied on; None without an emotion."""
        if emotion is None:
            return None
        threshold = self.description["calibration"]["emotion"]["threshold"]
        return duration < MIN_CERTAIN_SECONDS or emotion.confidence < threshold

    def intensity(self, value: float) -> Intensity:
        """A value in [0, 1] with the name of the level nearest to it among those of the training corpus."""
        level = nearest_level(value, self.description["intensity_levels"] or INTENSITY_ANCHORS)
        anchor = nearest_level(level, INTENSITY_ANCHORS)
        return Intensity(value, INTENSITY_NAMES[INTENSITY_ANCHORS.index(anchor)])

    def _category(self, task: str, raw: dict[str, np.ndarray], labels: list[str]) -> Category | None:
        if task not in raw:
            return None
        temperature = self.description["calibration"].get(task, {}).get("temperature", 1.0)
        logits = raw[task].astype(np.float64) / temperature
        probs = np.exp(logits - logits.max())
        probs /= probs.sum()
        return Category(labels[int(probs.argmax())], dict(zip(labels, probs.tolist(), strict=True)))

    def _phones(self, log_probs: np.ndarray, start: float, end: float) -> tuple[Phone, ...]:
        """Best path of (T', V) log probabilities, each phone from half way to its neighbours, at most 0.1 s off."""
        shift = self.description["features"]["frame_seconds"]
        best = log_probs.argmax(axis=-1)
        changes = np.flatnonzero(np.diff(best, prepend=-1))
        runs = [
            (int(best[a]), start + a * shift, min(start + b * shift, end))
            for a, b in zip(changes, [*changes[1:], len(best)], strict=True)
            if best[a] != 0
        ]
        phones = []
        for i, (token, first, last) in enumerate(runs):
            before = (runs[i - 1][2] + first) / 2 if i else start
            after = (last + runs[i + 1][1]) / 2 if i + 1 < len(runs) else end
            reach = (max(before, first - PHONE_REACH_SECONDS), min(after, last + PHONE_REACH_SECONDS))
            phones.append(Phone(self.description["phones"][token], *reach))
        return tuple(phones)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x.astype(np.float64)))

"""Run the exported network on pieces of speech and turn its numbers into answers. Needs numpy and onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from seq.audio.level import normalise_level
from seq.audio.reading import MIN_SAMPLES, SAMPLING_RATE
from seq.audio.sound import Sound, listen
from seq.errors import InputError
from seq.runtime.doubts import UNLIKELY, doubts_of, threshold_for
from seq.runtime.enrolment import KnownSpeaker
from seq.runtime.folder import DESCRIPTION, EMBEDDING, ONNX, read_catalogue, read_model_folder
from seq.runtime.results import Answer
from seq.tasks.answers import Category, TaskAnswer
from seq.tasks.base import Stretch


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
        self._path = path
        outputs = self._session.get_outputs()
        self._outputs = [output.name for output in outputs]
        # By name, how many numbers an output has for each utterance or each frame.
        self.sizes = {output.name: output.shape[-1] for output in outputs}

    def run(self, waveforms: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of the graph (see `seq.export.waveform_model`) for N waveforms (S_i,), by name.

        Each is brought to the level that the network has heard in training, whatever it is a part of. What is shorter
        than one frame of 25 ms is padded with zeros to one.

        Raises:
            InputError: onnxruntime refuses, for want of memory or since the graph is another one.
        """
        lengths = np.array([max(len(waveform), MIN_SAMPLES) for waveform in waveforms], dtype=np.int64)
        padded = np.zeros((len(waveforms), int(lengths.max())), dtype=np.float32)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = normalise_level(waveform)
        try:
            values = self._session.run(self._outputs, {"waveform": padded, "lengths": lengths})
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"onnxruntime cannot run {self._path} on {padded.shape[1] / SAMPLING_RATE:.1f} s of speech ({reason}): "
                "pass a smaller --batch-seconds, or export the model again"
            ) from error
        return dict(zip(self._outputs, values, strict=True))


class Engine:
    """A loaded model. `run` may be called from several threads at once."""

    def __init__(
        self,
        folder: Path | str,
        num_threads: int = 1,
        risk: float | None = None,
        speaker: Path | str | None = None,
    ) -> None:
        """Load a model folder, and what `speecheq enroll` wrote of the speaker, if it is known who speaks.

        Raises:
            InputError: the folder is not whole (see `read_model_folder`), is not for this version or cannot answer with
                so little `risk` (see `Model`), or the speaker's file is none of this model.
        """
        self.folder = Path(folder)
        self.description = read_model_folder(folder)
        self.catalogue = read_catalogue(self.description)
        self._threshold = None if risk is None else threshold_for(risk, self.description.get("fitted_on"))
        self.graph = Graph(Path(folder) / ONNX, num_threads)
        sizes = self.graph.sizes
        for task in self.catalogue.tasks:
            number = task.size(self.catalogue.outputs[task.name])
            if sizes.get(task.name) != number:
                raise InputError(
                    f"{folder}: {DESCRIPTION} names {number} numbers of {task.name}, and {ONNX} has "
                    f"{sizes.get(task.name, 'none')}: export the model again"
                )
        self._speaker = None
        if speaker is not None:
            self.check_embedding()
            self._speaker = KnownSpeaker(self.folder, self.description, self.catalogue, Path(speaker))

    def check_embedding(self) -> None:
        """Raises InputError for a model whose graph does not give the vector of an utterance."""
        if EMBEDDING not in self.graph.sizes:
            raise InputError(f"{self.folder / ONNX} does not give the vector of an utterance: export the model again")

    def run(self, pieces: Sequence[Piece]) -> list[Answer]:
        """One answer per piece, in the same order; the pieces that can go through the network together do.

        Raises:
            InputError: an answer is no finite number.
        """
        answers: dict[int, Answer] = {}
        for group in self._groups(pieces):
            raw = self.graph.run([pieces[i].samples for i in group])
            for row, i in enumerate(group):
                answers[i] = self._answer(pieces[i], {name: value[row] for name, value in raw.items()})
        return [answers[i] for i in range(len(pieces))]

    def _groups(self, pieces: Sequence[Piece]) -> list[list[int]]:
        """Which pieces share a call: all, or, of a network whose answer depends on padding, those of one length."""
        groups: dict[int, list[int]] = {}
        one_length = self.description["features"].get("one_length", False)
        for i, piece in enumerate(pieces):
            groups.setdefault(len(piece.samples) if one_length else 0, []).append(i)
        return list(groups.values())

    def _answer(self, piece: Piece, raw: dict[str, np.ndarray]) -> Answer:
        duration = len(piece.samples) / SAMPLING_RATE
        frame_seconds = self.description["features"]["frame_seconds"]
        stretch = Stretch(piece.start, piece.start + duration, frame_seconds)
        answers: dict[str, TaskAnswer] = {}
        embedding = raw.get(EMBEDDING)
        if self._speaker is not None:
            raw = self._speaker.adapt(raw)
        for task in self.catalogue.tasks:
            numbers = raw[task.name][: int(raw["frames"])] if task.kind == "sequence" else raw[task.name]
            fitted = self.description["calibration"].get(task.name)
            temperature = fitted["temperature"] if fitted else 1.0
            with np.errstate(all="ignore"):
                answer = task.answer(numbers, self.catalogue.outputs[task.name], stretch, temperature)
            # Of symbols only the best are left, and NaN has no best.
            if np.isnan(numbers).any() or not answer.is_finite:
                raise InputError(
                    f"the model's {task.name} is not a finite number, its weights or its calibration are damaged: "
                    "export it again from a run that is whole"
                )
            answers[task.name] = answer
        sound = listen(piece.samples)
        doubts = self.doubts(answers, duration, sound)
        return Answer(stretch.start, stretch.end, doubts, answers, self.catalogue, sound, embedding)

    def doubts(self, answers: Mapping[str, TaskAnswer], duration: float, sound: Sound) -> tuple[str, ...]:
        """Why an answer for so many seconds of a sound should not be relied on; empty where nothing speaks against."""
        heard = self.description.get("heard")
        found = doubts_of(sound, duration, heard["bands"] if heard else None)
        if (main := self.catalogue.main) is not None:
            answer = answers[main]
            assert isinstance(answer, Category)
            threshold = self._threshold
            if threshold is None:
                threshold = self.description["calibration"][main]["threshold"]
            # A threshold that is no number lets nothing pass.
            if not answer.confidence >= threshold:
                found.append(UNLIKELY)
        return tuple(found)

    def merge(self, answers: Sequence[Answer], parts: Sequence[tuple[float, float]]) -> dict[str, TaskAnswer]:
        """The answers of all tasks for several stretches, of each of which the part from start to end counts."""
        outputs = self.catalogue.outputs
        return {
            task.name: task.merge([answer.tasks[task.name] for answer in answers], parts, outputs[task.name])
            for task in self.catalogue.tasks
        }

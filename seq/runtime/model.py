"""`Model`: a loaded model folder as a function of a waveform, of a file, or of a live stream."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from seq.audio.opening import Mixer, audio_duration
from seq.audio.reading import SAMPLING_RATE, read_audio, resample
from seq.audio.streams import stream_audio
from seq.runtime.detectors import ENERGY, detector_maker
from seq.runtime.engine import Engine, Piece
from seq.runtime.folder import Description
from seq.runtime.recording import LONG_SECONDS, Recording, answer_pieces, utterance_piece
from seq.runtime.results import Catalogue, Result
from seq.runtime.stream import Stream
from seq.runtime.waveform import check_rate, to_channels


class Model:
    """A model that was exported by `speecheq export`; calls may come from several threads at once."""

    def __init__(
        self,
        folder: Path | str,
        num_threads: int = 1,
        batch_seconds: float = 60.0,
        vad: str = ENERGY,
        risk: float | None = None,
        speaker: Path | str | None = None,
    ) -> None:
        """Load a model folder.

        Args:
            folder: what `speecheq export` wrote.
            num_threads: threads of one call of the network.
            batch_seconds: seconds of speech that go through the network at once.
            vad: what finds the speech in recordings of more than 20 s, "energy" or "silero" (`seq.runtime.detectors`).
            risk: mark as many answers as uncertain as are needed to have at most this share of wrong ones among the
                others, on the model's valid part; None: those below its own threshold.
            speaker: what `speecheq enroll` wrote of the one who speaks, where that is known.

        Raises:
            InputError: the folder is not whole, the detector is not installed, no threshold has so little risk, or the
                speaker's file was made with another model.
        """
        self._make_detector = detector_maker(vad)
        self.engine = Engine(folder, num_threads, risk, speaker)
        self.batch_seconds = batch_seconds

    @property
    def description(self) -> Description:
        """What model.json says: tasks, protocol, scores, calibration."""
        return self.engine.description

    @property
    def catalogue(self) -> Catalogue:
        """What it answers."""
        return self.engine.catalogue

    def what_is_missing(self) -> list[str]:
        """Of tasks that it was trained for and does not answer, why, a sentence each."""
        missing = self.description.get("left_out", {})
        named = [task for task in self.catalogue.shown() if task.name in missing]
        return [f"this model gives no {task.called}: {missing[task.name]}" for task in named]

    def __call__(self, waveform: np.ndarray, rate: int, describe: bool = False) -> Result:
        """The answer for a waveform.

        Args:
            waveform: (T,) or (T, channels); floats in [-1, 1], or integers of 16 or 32 bits.
            rate: samples a second.
            describe: whether to add a sentence on how it was said.

        Raises:
            InputError: the waveform is empty, silent, of another shape or type, has NaN, or channels that cancel each
                other.
        """
        mixer = Mixer("the waveform")
        samples = resample(mixer.mix(to_channels(waveform)), check_rate(rate))
        mixer.finish()
        if len(samples) <= LONG_SECONDS * SAMPLING_RATE:
            piece = utterance_piece(samples, self.engine, "the waveform")
            return answer_pieces(self.engine, [piece], [len(samples) / SAMPLING_RATE], describe)[0]
        recording = self.recording("the waveform", describe)
        for start in range(0, len(samples), 10 * SAMPLING_RATE):
            recording.add(samples[start : start + 10 * SAMPLING_RATE])
        return recording.finish()

    def stream(self, rate: int, describe: bool = False, name: str = "the stream") -> Stream:
        """A live stream at `rate`, called `name` in errors: feed it chunks (see `Stream`)."""
        return Stream(self.engine, check_rate(rate), self.batch_seconds, name, describe, self._make_detector)

    def predict_file(
        self, path: Path | str, start: float = 0.0, duration: float | None = None, describe: bool = False
    ) -> Result:
        """The answer for an audio file, or for `duration` seconds of it from `start`; times count from `start`.

        Raises:
            InputError: the file is missing, not audio, truncated, empty or silent, or has NaN; the sentence names it.
        """
        piece = self.read_piece(path, start, duration)
        if piece is not None:
            return answer_pieces(self.engine, [piece[0]], [piece[1]], describe)[0]
        recording = self.recording(str(path), describe)
        for block in stream_audio(path, start, duration):
            recording.add(block)
        return recording.finish()

    def recording(self, name: str, describe: bool = False, threads: Executor | None = None) -> Recording:
        """An empty recording that takes 16 kHz samples block by block; `name` is for errors, `threads` judge it."""
        return Recording(self.engine, name, self.batch_seconds, describe, self._make_detector, threads)

    def read_piece(self, path: Path | str, start: float, duration: float | None) -> tuple[Piece, float] | None:
        """The speech of a short file and the file's duration; None for a long one. Raises as `predict_file`."""
        seconds = audio_duration(path) - start
        if min(seconds, duration if duration is not None else seconds) > LONG_SECONDS:
            return None
        samples = read_audio(path, start, duration)
        return utterance_piece(samples, self.engine, str(path)), len(samples) / SAMPLING_RATE

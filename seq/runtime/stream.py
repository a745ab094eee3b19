"""A live stream: chunks in, an updated estimate each; it ends with the answer for the whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seq.audio.opening import Mixer
from seq.audio.reading import SAMPLING_RATE
from seq.audio.streams import stream_resampler
from seq.errors import InputError
from seq.runtime.detectors import EnergyDetector, SpeechDetector
from seq.runtime.engine import Engine
from seq.runtime.recording import Recording
from seq.runtime.results import Result
from seq.runtime.waveform import to_channels


class Stream:
    """Chunks of audio at one rate.

    Up to 20 s an estimate is the answer for everything that was heard; after that, for the last 10 s. `finish` gives
    what `Model` gives for the same audio at once: probabilities within 1e-3 (other rates than 16 kHz are resampled
    in blocks), and for more than 20 s the same windows. Chunks of 0.1 to 1 s are best: each runs the network.
    """

    def __init__(
        self,
        engine: Engine,
        rate: int,
        batch_seconds: float = 60.0,
        name: str = "the stream",
        with_words: bool = False,
        make_detector: Callable[[], SpeechDetector] = EnergyDetector,
    ) -> None:
        self._recording = Recording(engine, name, batch_seconds, with_words, make_detector)
        self._mixer = Mixer(name)
        self._finished = False
        self._resampler = stream_resampler(rate) if rate != SAMPLING_RATE else None

    @property
    def duration(self) -> float:
        """Seconds heard so far."""
        return self._recording.duration

    def feed(self, chunk: np.ndarray) -> Result | None:
        """Hear a chunk, (T,) or (T, channels), and estimate; None while there is only silence.

        Raises:
            InputError: the chunk has NaN or an impossible shape, or the stream is finished.
        """
        self.hear(chunk)
        return self.estimate()

    def hear(self, chunk: np.ndarray) -> None:
        """As `feed`, without an estimate."""
        if self._finished:
            raise InputError("the stream is finished: open another one for more audio")
        samples = self._mixer.mix(to_channels(chunk))
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples)
        self._recording.add(samples)

    def estimate(self) -> Result | None:
        """The answer for what was heard so far (see the class); None while there is only silence."""
        return self._recording.estimate()

    def finish(self) -> Result:
        """The answer for the whole stream.

        Raises:
            InputError: it was empty or silent, its channels cancelled each other, or it is finished already.
        """
        if self._finished:
            raise InputError("the stream is finished: open another one for more audio")
        self._finished = True
        self._mixer.finish()
        if self._resampler is not None:
            self._recording.add(self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        return self._recording.finish()

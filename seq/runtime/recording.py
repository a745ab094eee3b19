"""One recording, heard from its beginning to its end: as one utterance up to 20 s, by windows beyond.

Files, arrays and live streams all go through `Recording`, so that they end with the same answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from seq.audio.reading import SAMPLING_RATE
from seq.audio.trimming import is_silent, trim_silence
from seq.errors import InputError
from seq.runtime.describe import describe
from seq.runtime.detectors import EnergyDetector, SpeechDetector
from seq.runtime.doubts import merge_sounds
from seq.runtime.engine import Engine, Piece
from seq.runtime.prosody import VoicedFrames, prosody, voiced_frames
from seq.runtime.results import Answer, Result
from seq.runtime.voice import WINDOW_SECONDS, Segmenter
from seq.tasks.answers import Symbols
from seq.tasks.kinds import part_weights

# Longer recordings are cut into windows. Few utterances of any corpus are this long.
LONG_SECONDS = 20.0
# Groups of windows of one recording that wait for a thread or are judged.
MAX_WAITING = 16
# Answers, and the voiced frames where a description is wanted.
_Judged: TypeAlias = tuple[list[Answer], list[VoicedFrames]]


class Recording:
    """Takes 16 kHz samples as they come; holds some 40 s of them and, with threads, the windows that wait for one.

    Args:
        engine: the loaded model.
        name: what to call the recording in an error.
        batch_seconds: how many seconds of windows go through the network at once.
        with_words: whether the result gets a sentence on how it was said.
        make_detector: what finds the speech in a recording of more than 20 s.
        threads: judge windows side by side; the answers are the same.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        batch_seconds: float = 60.0,
        with_words: bool = False,
        make_detector: Callable[[], SpeechDetector] = EnergyDetector,
        threads: Executor | None = None,
    ) -> None:
        self._engine = engine
        self._with_words = with_words
        self._voice: list[VoicedFrames] = []
        self._name = name
        self._batch_seconds = batch_seconds
        self._num_samples = 0
        # Everything while the recording is short, the latest window afterwards.
        self._recent = np.zeros(0, dtype=np.float32)
        self._make_detector = make_detector
        self._segmenter: Segmenter | None = None
        self._pending: list[Piece] = []
        self._answers: list[Answer] = []
        self._threads = threads
        self._judging: deque[Future[_Judged]] = deque()

    @property
    def duration(self) -> float:
        """Seconds heard so far."""
        return self._num_samples / SAMPLING_RATE

    def add(self, samples: np.ndarray) -> None:
        """Hear (S,) more samples."""
        self._num_samples += len(samples)
        self._recent = np.concatenate([self._recent, samples])
        if self._segmenter is None and self.duration > LONG_SECONDS:
            self._segmenter = Segmenter(self._make_detector())
            samples = self._recent
        if self._segmenter is not None:
            self._hear(self._segmenter.push(samples))
            self._recent = self._recent[-round(WINDOW_SECONDS * SAMPLING_RATE) :]

    def estimate(self) -> Result | None:
        """The answer for what was heard so far: all of it up to 20 s, the last 10 s after that.

        None while there is nothing but silence.
        """
        if not len(self._recent) or is_silent(self._recent):
            return None
        start = self.duration - len(self._recent) / SAMPLING_RATE
        piece = speech_piece(self._recent, self._engine, start)
        return answer_pieces(self._engine, [piece], [self.duration])[0]

    def finish(self) -> Result:
        """The answer for the whole recording. Raises InputError where it is empty or silent."""
        if self._segmenter is None:
            piece = utterance_piece(self._recent, self._engine, self._name)
            return answer_pieces(self._engine, [piece], [self.duration], self._with_words)[0]
        self._hear(self._segmenter.finish())
        self._run_pending()
        while self._judging:
            self._keep(self._judging.popleft().result())
        if not self._answers:
            raise InputError(f"{self._name} {self._segmenter.nothing}: there is no voice in it to judge")
        result = summarise(self._answers, self._engine, self.duration)
        return add_words(result, self._voice, self._engine) if self._with_words else result

    def _hear(self, windows: Iterable[Piece]) -> None:
        for piece in windows:
            longest = max(len(p.samples) for p in [piece, *self._pending])
            if longest * (len(self._pending) + 1) > self._batch_seconds * SAMPLING_RATE:
                self._run_pending()
            self._pending.append(piece)

    def _run_pending(self) -> None:
        pieces, self._pending = self._pending, []
        if self._threads is None:
            self._keep(self._judge(pieces))
            return
        self._judging.append(self._threads.submit(self._judge, pieces))
        # Reading is faster than judging, and what waits is in memory.
        if len(self._judging) > MAX_WAITING:
            self._keep(self._judging.popleft().result())

    def _judge(self, pieces: list[Piece]) -> _Judged:
        voice = [voiced_frames(piece.samples) for piece in pieces] if self._with_words else []
        return self._engine.run(pieces), voice

    def _keep(self, judged: _Judged) -> None:
        answers, voice = judged
        self._answers += answers
        self._voice += voice


def utterance_piece(samples: np.ndarray, engine: Engine, name: str) -> Piece:
    """The speech of a short recording, (S,) at 16 kHz. Raises InputError where it is empty or silent."""
    if not len(samples):
        raise InputError(f"{name} has no samples: copy or download it again, or remove it")
    if is_silent(samples):
        raise InputError(f"{name} is silent: there is no voice in it to judge")
    return speech_piece(samples, engine, 0.0)


def speech_piece(samples: np.ndarray, engine: Engine, start: float) -> Piece:
    """Samples (S,) that begin at `start` seconds, less the silence around them where the model was trained so."""
    if not engine.description["features"]["trim"]:
        return Piece(samples, start)
    first, last = trim_silence(samples, SAMPLING_RATE)
    return Piece(samples[round(first * SAMPLING_RATE) : round(last * SAMPLING_RATE)], start + first)


def answer_pieces(
    engine: Engine, pieces: list[Piece], durations: list[float], with_words: bool = False
) -> list[Result]:
    """The results of short recordings, whose speech goes through the network together."""
    results = []
    for piece, answer, duration in zip(pieces, engine.run(pieces), durations, strict=True):
        result = Result(**vars(answer), duration=duration)
        results.append(add_words(result, [voiced_frames(piece.samples)], engine) if with_words else result)
    return results


def add_words(result: Result, voice: list[VoicedFrames], engine: Engine) -> Result:
    """The result with its description. `voice` holds the voiced frames of all its windows."""
    seconds = sum(end - start for start, end in own_parts(result.windows or [result]))
    spelt = next((answer for answer in result.tasks.values() if isinstance(answer, Symbols)), None)
    measured = prosody(voice, None if spelt is None else len(spelt), seconds)
    return replace(result, description=describe(result, measured, engine.description.get("norms")))


def summarise(answers: list[Answer], engine: Engine, duration: float) -> Result:
    """One answer for a time line, in which overlapping windows meet in the middle of their overlap.

    Probabilities and values are means over time; symbols are those of the window whose part they lie in.
    """
    parts = own_parts(answers)
    merged = engine.merge(answers, parts)
    sound = merge_sounds([answer.sound for answer in answers], parts)
    return Result(
        start=answers[0].start,
        end=answers[-1].end,
        doubts=engine.doubts(merged, sum(end - start for start, end in parts), sound),
        tasks=merged,
        catalogue=engine.catalogue,
        sound=sound,
        duration=duration,
        windows=tuple(answers),
        embedding=_mean_embedding(answers, parts),
    )


def _mean_embedding(answers: Sequence[Answer], parts: Sequence[tuple[float, float]]) -> np.ndarray | None:
    vectors = [answer.embedding for answer in answers if answer.embedding is not None]
    return (part_weights(parts) @ np.stack(vectors)).astype(np.float32) if len(vectors) == len(parts) else None


def own_parts(answers: Sequence[Answer]) -> list[tuple[float, float]]:
    """Of every window the part that counts, from start to end: overlapping ones meet in the middle of their overlap."""
    starts, ends = [a.start for a in answers], [a.end for a in answers]
    for i in range(len(answers) - 1):
        if answers[i + 1].start < answers[i].end:
            ends[i] = starts[i + 1] = (answers[i].end + answers[i + 1].start) / 2
    return list(zip(starts, ends, strict=True))

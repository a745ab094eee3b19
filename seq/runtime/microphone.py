"""A microphone as a live stream, through sounddevice (PortAudio): answers while one speaks."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from seq.errors import InputError
from seq.runtime.model import Model
from seq.runtime.results import Result

NAME = "the microphone"
# How long Ctrl-C may go unnoticed.
_WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class Microphone:
    """The default input device, open: its name, samples a second, and (T, 1) float32 as they come, until Ctrl-C."""

    device: str
    rate: int
    chunks: Iterator[np.ndarray]


@contextlib.contextmanager
def open_microphone() -> Iterator[Microphone]:
    """Listen until Ctrl-C, or until the device is taken away; for the main thread of a program.

    Raises:
        InputError: sounddevice or PortAudio is not installed, or no input device can be opened.
    """
    sounddevice = _import_sounddevice()
    heard: queue.Queue[np.ndarray | None] = queue.Queue()

    def hear(samples: np.ndarray, _num_samples: int, _time: Any, _status: Any) -> None:
        # The array is PortAudio's, and is used again.
        heard.put(samples.copy())

    with _ctrl_c() as stopped:
        try:
            device = sounddevice.query_devices(kind="input")
            rate = round(device["default_samplerate"])
            stream = sounddevice.InputStream(
                samplerate=rate, channels=1, dtype="float32", callback=hear, finished_callback=lambda: heard.put(None)
            )
            # A device that is taken or forbidden often says so here only.
            stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise InputError(
                f"there is no microphone that can be opened ({error}): plug one in, allow its use, or name a recording"
            ) from error
        with contextlib.closing(stream):
            yield Microphone(str(device["name"]), rate, _chunks(heard, stopped))


def predict_microphone(
    model: Model, microphone: Microphone, every: float, describe: bool = False
) -> Iterator[tuple[Result, bool]]:
    """Yield (result, whether it is final): an estimate every so many seconds, unless all was silent, and the answer.

    Raises:
        InputError: there was nothing, or nothing but silence.
    """
    live = model.stream(microphone.rate, describe, NAME)
    due = every
    for chunk in microphone.chunks:
        live.hear(chunk)
        if live.duration >= due:
            due = live.duration + every
            if (result := live.estimate()) is not None:
                yield result, False
    if not live.duration:
        raise InputError(f"{NAME} gave no sound before it was stopped: speak first, then press Ctrl-C")
    yield live.finish(), True


def _chunks(heard: queue.Queue[np.ndarray | None], stopped: threading.Event) -> Iterator[np.ndarray]:
    """What was heard since the last time, at once: a slow network gets longer chunks, and not ever older ones."""
    ended = False
    while not ended:
        # After Ctrl-C, what was said before it is still taken, and nothing is waited for.
        ended = stopped.is_set()
        found: list[np.ndarray] = []
        with contextlib.suppress(queue.Empty):
            wait = not ended
            while (part := heard.get(wait, _WAIT_SECONDS if wait else None)) is not None:
                found.append(part)
                wait = False
            ended = True
        if found:
            yield np.concatenate(found)


@contextlib.contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the next one does what Ctrl-C did before."""
    stopped = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    if before is signal.SIG_IGN:
        yield stopped
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


def _import_sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise InputError("--microphone needs sounddevice: pip install sounddevice (the extra microphone)") from error
    except OSError as error:
        raise InputError(
            "--microphone needs the library PortAudio: apt install libportaudio2, or what your system calls it"
        ) from error
    return sounddevice

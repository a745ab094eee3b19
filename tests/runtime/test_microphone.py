"""`--microphone` with a device that is a program: all is heard, Ctrl-C gives the answer, what is missing is named."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from corpus_builders import spoken

from seq.cli import main
from seq.errors import InputError
from seq.runtime.microphone import open_microphone
from seq.runtime.model import Model
from seq.utils.stopping import Stopped, watch_signals

RATE = 16000


class PortAudioError(Exception):
    pass


def fake_sounddevice(samples: np.ndarray, at_end: str) -> ModuleType:
    """Speaks `samples` in chunks of 0.1 s; then there is Ctrl-C, or the device is gone."""

    class InputStream:
        def __init__(
            self,
            samplerate: int,
            channels: int,
            dtype: str,
            callback: Callable[..., None],
            finished_callback: Callable[[], None],
        ) -> None:
            assert (samplerate, channels, dtype) == (RATE, 1, "float32")
            self.callback, self.finished_callback = callback, finished_callback
            self.thread = threading.Thread(target=self.speak)

        def speak(self) -> None:
            buffer = np.zeros((RATE // 10, 1), dtype=np.float32)
            for start in range(0, len(samples), len(buffer)):
                chunk = samples[start : start + len(buffer), None]
                buffer[: len(chunk)] = chunk
                self.callback(buffer[: len(chunk)], len(chunk), None, None)
            # PortAudio uses its memory again.
            buffer[:] = np.nan
            if at_end == "gone":
                self.finished_callback()
            else:
                os.kill(os.getpid(), signal.SIGINT)

        def start(self) -> None:
            self.thread.start()

        def close(self) -> None:
            self.thread.join()

    module: Any = ModuleType("sounddevice")
    module.PortAudioError, module.InputStream = PortAudioError, InputStream
    module.query_devices = lambda kind: {"name": "Built-in microphone", "default_samplerate": float(RATE)}
    return module


@pytest.mark.parametrize("at_end", ["ctrl-c", "gone"])
def test_all_that_is_said_is_answered(
    model_folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at_end: str
) -> None:
    samples = spoken(2.0, RATE, seed=1)
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice(samples, at_end))
    before = signal.getsignal(signal.SIGINT)
    assert main(["predict", str(model_folder), "--microphone", "--every", "0.5"]) == 0
    assert signal.getsignal(signal.SIGINT) is before
    output = capsys.readouterr()
    assert output.err == "listening to Built-in microphone; Ctrl-C ends it\n"
    *estimates, answer = [json.loads(line) for line in output.out.splitlines()]
    assert {row["path"] for row in (*estimates, answer)} == {"microphone"}
    assert all(row["partial"] for row in estimates) and "partial" not in answer
    expected = model(samples, RATE)
    assert estimates and answer["duration"] == pytest.approx(len(samples) / RATE)
    assert answer["emotion"]["probs"] == pytest.approx(expected.emotion.probs, abs=1e-3)


def test_a_second_ctrl_c_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice(np.zeros(0, dtype=np.float32), "gone"))
    handlers = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    }
    try:
        watch_signals()
        with open_microphone():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Stopped):
                signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_what_is_missing_is_named(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", str(model_folder), "--microphone"]
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(InputError, match="needs sounddevice: pip install sounddevice"):
        main(command)
    # As sounddevice does where PortAudio is not there.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="needs the library PortAudio: apt install libportaudio2"):
        main(command)

    def no_device(kind: str) -> None:
        raise PortAudioError("Error querying device -1")

    fake: Any = fake_sounddevice(np.zeros(0, dtype=np.float32), "gone")
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    assert main(command) == 1
    assert "gave no sound before it was stopped" in json.loads(capsys.readouterr().out)["error"]
    fake.query_devices = no_device
    with pytest.raises(InputError, match=r"no microphone that can be opened \(Error querying device -1\)"):
        main(command)
    with pytest.raises(InputError, match="--microphone is heard instead of recordings"):
        main([*command, "a.wav"])
    with pytest.raises(InputError, match="is a model folder: name recordings after it"):
        main(command[:2])

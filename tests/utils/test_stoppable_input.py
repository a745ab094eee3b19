"""Reading from a pipe that says nothing any more: a signal ends it."""

from __future__ import annotations

import io
import os
import signal
import threading
from pathlib import Path

import pytest

from seq.utils.stoppable_input import stoppable
from seq.utils.stopping import STOPPING, Stopped, watch_signals


def test_a_signal_ends_a_read_that_would_wait_for_ever() -> None:
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    source, sink = os.pipe()
    os.write(sink, b"head")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    watch_signals()
    try:
        with os.fdopen(source, "rb") as pipe, stoppable(pipe) as stream:
            assert stream.read(4) == b"head"
            # Delivered to a thread that is not the one that reads, whose read it does not interrupt.
            timer = threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
            timer.start()
            with pytest.raises(Stopped):
                stream.read(4)
    finally:
        os.close(sink)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert signal.set_wakeup_fd(-1) == -1


def test_what_is_read_is_what_was_sent(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "file").write_bytes(content)
    with open(tmp_path / "file", "rb") as file, stoppable(file) as stream:
        assert stream.read(10) + stream.read() == content
    # What is no file is read as it is.
    with stoppable(io.BytesIO(b"abc")) as stream:
        assert stream.read() == b"abc"

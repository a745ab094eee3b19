"""Requests to the page as no browser sends them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from exported_model import make_model_folder
from fuzzing import attempt, examples, texts
from hypothesis import given
from hypothesis import strategies as st

from seq.demo.server import MIB, DemoServer
from seq.runtime import load_model

pytest.importorskip("onnxruntime")
SECONDS: Final = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    server = DemoServer(load_model(make_model_folder(tmp_path_factory.mktemp("page"))), port=0, max_bytes=MIB)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def say(server: DemoServer, request: bytes) -> bytes:
    """Send all of it, then say no more; what comes back until the line is cut."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=SECONDS) as line:
        # The line may be cut before all is said.
        with contextlib.suppress(OSError):
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            try:
                chunk = line.recv(1 << 16)
            except ConnectionError:
                return answer
            if not chunk:
                return answer
            answer += chunk


def statuses(answer: bytes) -> list[int]:
    return [int(line.split(b" ")[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]


in_header = texts.map(lambda text: text.replace("\n", "").replace("\r", ""))
header = st.tuples(
    st.one_of(
        st.sampled_from(["Content-Length", "Content-Type", "X-File-Name", "Origin", "Transfer-Encoding"]), in_header
    ),
    st.one_of(
        st.sampled_from(["0", "5", "-1", "9" * 5000, "audio/wav", "chunked", "%00%ff", "http://evil"]), in_header
    ),
)


@given(
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", ""]),
    st.one_of(st.sampled_from(["/", "/api/model", "/api/predict", "//", "/../../etc/passwd", "*", "/%00"]), in_header),
    st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""]),
    st.lists(header, max_size=4),
    st.booleans(),
    st.binary(max_size=64),
)
@examples(10)
def test_requests(
    server: DemoServer, method: str, path: str, version: str, headers: list[tuple[str, str]], at_home: bool, body: bytes
) -> None:
    host = f"127.0.0.1:{server.server_address[1]}" if at_home else "evil.example"
    lines = [f"{method} {path} {version}", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    request = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body
    before = set(Path(server.folder).iterdir())
    ended = attempt(lambda: say(server, request), Path(server.folder))
    assert ended.answer is not None
    found = statuses(ended.answer)
    assert all(status < 500 or status in (501, 505) for status in found), ended.answer[:300]
    if not at_home and not any(name.strip().lower() == "host" for name, _ in headers):
        assert 200 not in found
    assert set(Path(server.folder).iterdir()) == before
    # Whatever it was told, it is there for the next.
    home = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.server_address[1]}\r\nConnection: close\r\n\r\n"
    assert statuses(say(server, home.encode())) == [200]

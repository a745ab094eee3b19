"""A small HTTP server for the page. It serves three addresses and no file; uploads live in a folder that it deletes.

GET  /             the page
GET  /api/model    what the model is: labels, corpus, protocol, scores, and the upload limit
POST /api/predict  a recording as the body, its name (percent-encoded) in X-File-Name -> see `seq.demo.judge`
Every refusal is JSON with one sentence: {"error": ...}.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
import tempfile
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from seq.demo.guard import is_audio_type, is_loopback, refusal
from seq.demo.judge import MAX_SECONDS, judge
from seq.demo.page import build_page
from seq.errors import InputError
from seq.runtime.model import Model

MIB = 1 << 20
# A client that says nothing for so long is hung up on.
TIMEOUT_SECONDS = 30.0
# What is read of an upload that was refused, so that its sender reads the answer before the line is cut.
_DRAIN_BYTES = 64 * MIB
_CHUNK = 1 << 16
_MAX_NAME = 120


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class DemoServer(ThreadingHTTPServer):
    """Listens from the moment it is made; `serve_forever` answers; close it to delete the uploads that it holds.

    Args:
        model: a loaded model; one recording is judged at a time.
        host, port: where to listen; port 0 takes a free one.
        max_bytes: the largest upload.

    Raises:
        InputError: the address is taken, not this machine's, or not allowed.
    """

    daemon_threads = True

    def __init__(self, model: Model, host: str = "127.0.0.1", port: int = 7860, max_bytes: int = 50 * MIB) -> None:
        self.model, self.host, self.max_bytes = model, host, max_bytes
        self.page, self.policy = build_page()
        self.turn = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._uploads = tempfile.TemporaryDirectory(prefix="speecheq-demo-")
        self.folder = Path(self._uploads.name)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            self._uploads.cleanup()
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                raise InputError(f"port {port} of {host} is taken: pass another --port, or 0 for any") from error
            raise InputError(f"cannot listen on port {port} of {host} ({error}): check --host and --port") from error

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_address[1]}/"

    def server_close(self) -> None:
        """Stop listening and delete the uploads."""
        super().server_close()
        self._uploads.cleanup()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "speecheq", ""
    timeout = TIMEOUT_SECONDS

    def do_GET(self) -> None:
        try:
            self._check()
            if self.path == "/":
                self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
            elif self.path == "/api/model":
                self._send_json(HTTPStatus.OK, self._describe())
            else:
                raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing at this address: open /")
        except _Refused as refused:
            self._send_json(refused.status, {"error": str(refused)})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        left = 0
        try:
            left = self._content_length()
            self._check()
            if self.path != "/api/predict":
                raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing at this address: open /")
            self._check_upload(left)
            with tempfile.NamedTemporaryFile(dir=self.server.folder) as file:
                while left:
                    chunk = self.rfile.read(min(left, _CHUNK))
                    if not chunk:
                        raise ConnectionAbortedError
                    file.write(chunk)
                    left -= len(chunk)
                file.flush()
                answer = self._judge(Path(file.name))
            self._send_json(HTTPStatus.OK, answer)
        except _Refused as refused:
            self._refuse(refused, left)
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            sentence = f"{self._name()} cannot be stored here while it is judged ({error.strerror}): make room for it"
            self._refuse(_Refused(HTTPStatus.INSUFFICIENT_STORAGE, sentence), left)

    def _refuse(self, refused: _Refused, left: int) -> None:
        """Answer with the sentence; `left` bytes of the upload have not been read yet."""
        self.close_connection = True
        self._send_json(refused.status, {"error": str(refused)})
        self._drain(left)

    def _check(self) -> None:
        sentence = refusal(self.headers, self.server.host)
        if sentence:
            raise _Refused(HTTPStatus.FORBIDDEN, sentence)

    def _content_length(self) -> int:
        text = self.headers.get("Content-Length", "")
        if not (text.isascii() and text.isdigit()) or self.headers.get("Transfer-Encoding"):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "the upload does not say how long it is: send a Content-Length")
        return int(text)

    def _check_upload(self, length: int) -> None:
        kind = self.headers.get("Content-Type", "")
        if not is_audio_type(kind):
            raise _Refused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"{self._name()} is not audio ({kind[:60] or 'of no type'}): choose a recording, such as a wav or flac",
            )
        if length > self.server.max_bytes:
            raise _Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"{self._name()} has {length / MIB:.1f} MiB, this page takes {self.server.max_bytes / MIB:g}: "
                "choose a shorter one, or start the page with a larger --max-mb",
            )

    def _name(self) -> str:
        """What the user calls the upload: the last part of its name, without what moves a cursor."""
        name = unquote(self.headers.get("X-File-Name", "")).replace("\\", "/").rpartition("/")[2]
        return "".join(char for char in name if char.isprintable())[:_MAX_NAME] or "the recording"

    def _judge(self, path: Path) -> dict[str, Any]:
        try:
            with self.server.turn:
                return judge(self.server.model, path, self._name())
        except InputError as error:
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from error
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            # A decoder may stumble in ways of its own; the page goes on.
            sentence = f"{self._name()} cannot be judged ({type(error).__name__}): convert it to wav and try again"
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, sentence) from error

    def _describe(self) -> dict[str, Any]:
        """What the page draws by: the tasks in order, and which one is the main category."""
        model = self.server.model
        known = {key: model.description.get(key) for key in ("main", "corpus", "protocol", "scores", "epoch")}
        outputs = model.catalogue.outputs
        tasks = [
            {"name": task.name, "called": task.called, "words": dict(task.words), **outputs[task.name].to_dict()}
            for task in model.catalogue.tasks
        ]
        return {**known, "tasks": tasks, "max_bytes": self.server.max_bytes, "max_seconds": MAX_SECONDS}

    def _send_json(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": self.server.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _drain(self, left: int) -> None:
        left = min(left, _DRAIN_BYTES)
        while left > 0 and (chunk := self.rfile.read(min(left, _CHUNK))):
            left -= len(chunk)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what people upload is theirs."""


def serve(model: Model, host: str, port: int, max_mib: float) -> None:
    """Answer until Ctrl-C or SIGTERM."""
    import signal

    server = DemoServer(model, host, port, int(max_mib * MIB))
    try:
        if threading.current_thread() is threading.main_thread():
            # So that the uploads are deleted then, too.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        if not is_loopback(host):
            print(
                f"warning: everyone who can reach {host} can use this page; browsers give its microphone to https "
                "and localhost alone",
                file=sys.stderr,
            )
        print(f"open {server.url} (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    finally:
        server.server_close()

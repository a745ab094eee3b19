"""What the page's server answers to one request. It has three addresses and no file.

GET  /             the page
GET  /api/model    what the model is: labels, corpus, protocol, scores, and the upload limit
POST /api/predict  a recording as the body, its name (percent-encoded) in X-File-Name -> see `seq.demo.judge`
Every refusal is JSON with one sentence: {"error": ...}.
"""

from __future__ import annotations

import io
import json
import socket
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from seq.demo.guard import is_audio_type, refusal
from seq.demo.judge import MAX_SECONDS, judge
from seq.errors import InputError
from seq.utils.nameless_file import nameless_file

if TYPE_CHECKING:
    from seq.demo.server import DemoServer

MIB = 1 << 20
# A client that says nothing for so long is hung up on, and so is one whose request's head takes longer.
TIMEOUT_SECONDS = 30.0
# And one whose upload takes so long, however steadily it trickles.
UPLOAD_SECONDS = 600.0
# What is read of an upload that was refused, so that its sender reads the answer before the line is cut.
_DRAIN_BYTES = 64 * MIB
_CHUNK = 1 << 16
_MAX_NAME = 120
# A Content-Length of more digits is no length: a thousand of them cost time, five thousand Python refuses.
_MAX_DIGITS = 15


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _TimedBytes(io.RawIOBase):
    """What comes over a connection until a deadline (of time.monotonic). Raises TimeoutError then."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(min(left, TIMEOUT_SECONDS))
        return self.connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    server: DemoServer
    protocol_version = "HTTP/1.1"
    # Of what is no request: an answer with a status.
    default_request_version = "HTTP/1.0"
    server_version, sys_version = "speecheq", ""
    timeout = TIMEOUT_SECONDS

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.timed = _TimedBytes(self.connection)
        self.rfile = io.BufferedReader(self.timed)

    def handle_one_request(self) -> None:
        self._give(TIMEOUT_SECONDS)
        super().handle_one_request()

    def _give(self, seconds: float) -> None:
        """What is read from now on must have come within so many seconds."""
        self.timed.deadline = time.monotonic() + seconds

    def parse_request(self) -> bool:
        """Read the head of a request; whoever may not ask is told nothing else."""
        if not super().parse_request():
            return False
        sentence = refusal(self.headers, self.server.host)
        refused = _Refused(HTTPStatus.FORBIDDEN, sentence) if sentence else None
        if refused is None and not hasattr(self, f"do_{self.command}"):
            refused = _Refused(HTTPStatus.NOT_IMPLEMENTED, "this server answers GET, HEAD and POST and nothing else")
        if refused is not None:
            try:
                left = self._content_length()
            except _Refused:
                left = 0
            self._refuse(refused, left)
        return refused is None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class says of a request that is none."""
        self._refuse(_Refused(HTTPStatus(code), message or HTTPStatus(code).phrase), 0)

    def do_GET(self) -> None:
        try:
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
            if self.path != "/api/predict":
                raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing at this address: open /")
            self._check_upload(left)
            self._give(UPLOAD_SECONDS)
            with nameless_file(self.server.folder) as (file, path):
                while left:
                    chunk = self.rfile.read1(min(left, _CHUNK))
                    if not chunk:
                        raise ConnectionAbortedError
                    file.write(chunk)
                    left -= len(chunk)
                file.flush()
                answer = self._judge(path)
            self._send_json(HTTPStatus.OK, answer)
        except _Refused as refused:
            self._refuse(refused, left)
        except TimeoutError:
            sentence = f"{self._name()} did not arrive in time: send it faster, or a shorter one"
            self._refuse(_Refused(HTTPStatus.REQUEST_TIMEOUT, sentence), 0)
        except ConnectionError:
            raise
        except OSError as error:
            sentence = f"{self._name()} cannot be stored here while it is judged ({error.strerror}): make room for it"
            self._refuse(_Refused(HTTPStatus.INSUFFICIENT_STORAGE, sentence), left)

    def _refuse(self, refused: _Refused, left: int) -> None:
        """Answer with the sentence; `left` bytes of the upload have not been read yet."""
        self.close_connection = True
        self._send_json(refused.status, {"error": str(refused)})
        self._drain(left)

    def _content_length(self) -> int:
        text = self.headers.get("Content-Length", "")
        if not (text.isascii() and text.isdigit()) or self.headers.get("Transfer-Encoding"):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "the upload does not say how long it is: send a Content-Length")
        if len(text.lstrip("0")) > _MAX_DIGITS:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{self._name()} is too large: choose a shorter one")
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
        self.connection.settimeout(TIMEOUT_SECONDS)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _drain(self, left: int) -> None:
        self._give(TIMEOUT_SECONDS)
        left = min(left, _DRAIN_BYTES)
        while left > 0 and (chunk := self.rfile.read1(min(left, _CHUNK))):
            left -= len(chunk)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what people upload is theirs."""

"""A small HTTP server for the page (`seq.demo.handler` answers); uploads live in a folder that it deletes."""

from __future__ import annotations

import errno
import shutil
import signal
import socket
import sys
import tempfile
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from seq.demo.guard import is_loopback
from seq.demo.handler import MIB, Handler
from seq.demo.page import build_page
from seq.errors import InputError
from seq.runtime.model import Model
from seq.utils.stopping import STOPPING


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
    # So many may be waiting while a thread is started for another one; the default of 5 loses some of twenty.
    request_queue_size = 128

    def __init__(self, model: Model, host: str = "127.0.0.1", port: int = 7860, max_bytes: int = 50 * MIB) -> None:
        self.model, self.host, self.max_bytes = model, host, max_bytes
        self.page, self.policy = build_page()
        self.turn = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._uploads = tempfile.TemporaryDirectory(prefix="speecheq-demo-", ignore_cleanup_errors=True)
        self.folder = Path(self._uploads.name)
        try:
            super().__init__((host, port), Handler)
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
        # An upload may have begun meanwhile.
        shutil.rmtree(self.folder, ignore_errors=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def serve(model: Model, host: str, port: int, max_mib: float) -> None:
    """Answer until Ctrl-C, or another signal that stops (`seq.utils.stopping`)."""
    server = DemoServer(model, host, port, int(min(max_mib * MIB, sys.maxsize)))
    try:
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
        if threading.current_thread() is threading.main_thread():
            # A second signal must not keep the uploads from being deleted.
            for number in STOPPING:
                signal.signal(number, signal.SIG_IGN)
        server.server_close()

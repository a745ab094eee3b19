"""Downloads: complete, resumed after a broken transfer, refused with a wrong checksum, unpacked safely."""

from __future__ import annotations

import hashlib
import io
import re
import socket
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from seq.corpora.download import download, download_commit, download_zip, tree_id, unzip
from seq.errors import InputError

BODY = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(BODY).hexdigest()
HELP = "fetch it by hand and pass --corpus-dir"


class Server(ThreadingHTTPServer):
    """Serves `body`; sends at most `break_after` bytes per answer where that is set; honours Range if `ranges`."""

    body = BODY
    break_after: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requested: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/files/corpus.zip?download=1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requested.append(wanted)
        first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.server.ranges else 0
        if first >= len(self.server.body):
            self.send_error(416)
            return
        body = self.server.body[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.break_after])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_download_and_no_second_request(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "new" / "corpus.zip"
    download(server.url, MD5, path, HELP)
    assert path.read_bytes() == BODY
    download(server.url, MD5, path, HELP)
    assert server.requested == [None]


def test_a_broken_transfer_is_resumed_in_the_same_run(server: Server, tmp_path: Path) -> None:
    server.break_after = 1_200_000
    download(server.url, MD5, tmp_path / "a", HELP)
    assert (tmp_path / "a").read_bytes() == BODY
    assert server.requested == [None, "bytes=1200000-", "bytes=2400000-"]


def test_repeated_failure_keeps_the_part_and_the_next_run_goes_on(server: Server, tmp_path: Path) -> None:
    server.break_after = 100_000
    with pytest.raises(InputError, match=r"failed.*--corpus-dir"):
        download(server.url, MD5, tmp_path / "a", HELP)
    assert (tmp_path / "a.part").stat().st_size == 300_000
    assert not (tmp_path / "a").exists()
    server.break_after = None
    download(server.url, MD5, tmp_path / "a", HELP)
    assert server.requested[-1] == "bytes=300000-"
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "a.part").write_bytes(BODY[:1000])
    download(server.url, MD5, tmp_path / "a", HELP)
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_complete_part_needs_only_its_checksum(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(BODY)
    download(server.url, MD5, tmp_path / "a", HELP)
    assert (tmp_path / "a").read_bytes() == BODY


def test_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=MD5):
        download(server.url, "0" * 32, tmp_path / "a", HELP)
    assert list(tmp_path.iterdir()) == []


def test_no_network_says_how_to_go_on_without(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/corpus.zip"
    with pytest.raises(InputError, match=f"failed.*{HELP}"):
        download(url, MD5, tmp_path / "a", HELP)


def test_zip_is_unpacked_once(server: Server, tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("Actor_01/a.wav", b"sound")
    server.body = data.getvalue()
    md5 = hashlib.md5(server.body).hexdigest()
    for _ in range(2):
        assert download_zip(server.url, md5, tmp_path, HELP) == tmp_path / "corpus"
    assert (tmp_path / "corpus/Actor_01/a.wav").read_bytes() == b"sound"
    assert len(server.requested) == 1 and [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_zip_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../../outside.txt", b"")
    with pytest.raises(InputError, match="outside its folder"):
        unzip(tmp_path / "evil.zip", tmp_path / "a" / "b")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match="not a complete zip"):
        unzip(tmp_path / "broken.zip", tmp_path / "c")
    assert not (tmp_path / "c").exists() and not (tmp_path / "outside.txt").exists()


def test_a_commit_is_checked_by_its_tree(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    (folder / "samples").mkdir(parents=True)
    for name, text in (("data.tsv", "a\tb\n"), ("samples/1.wav", "one"), ("samples.txt", "sorts before samples/")):
        (folder / name).write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "all"], check=True)
    expected = subprocess.run([*git, "rev-parse", "HEAD^{tree}"], check=True, capture_output=True, text=True).stdout
    zipped = [*git, "archive", "--format=zip", "--prefix=repository-abc/", "HEAD"]
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.body = subprocess.run(zipped, check=True, capture_output=True).stdout
        with pytest.raises(InputError, match="holds other files than those of its commit"):
            download_commit(server.url, "0" * 40, tmp_path / "wrong", HELP)
        assert list((tmp_path / "wrong").iterdir()) == []
        root = download_commit(server.url, expected.strip(), tmp_path / "right", HELP)
        assert tree_id(root / "repository-abc") == expected.strip()
        server.shutdown()
    # It is there, and asks nobody.
    assert download_commit("http://127.0.0.1:9/corpus.zip", expected.strip(), tmp_path / "right", HELP) == root

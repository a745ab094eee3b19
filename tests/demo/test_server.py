"""`speecheq demo` over HTTP, without a browser: what it answers, what it refuses, what it leaves behind."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_builders import speech_like
from exported_model import make_model_folder
from open_files import CAN_TELL, wait_for_file_in
from other_audio import write_other
from small_disk import small_files

from seq.cli import main
from seq.demo.guard import is_loopback, is_own_name
from seq.demo.server import MIB, DemoServer
from seq.errors import InputError
from seq.runtime import load_model
from seq.utils.stopping import STOPPING

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0043") + bytes(range(256)) * 8
HALF_AN_UPLOAD = (
    b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 90000\r\n\r\n"
    + bytes(5000)
)

# What is said of a webm: with PyAV it is known to be broken.
WEBM = "truncated or damaged" if importlib.util.find_spec("av") else "in a format that libsndfile cannot read"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[DemoServer]:
    server = DemoServer(load_model(folder), port=0, max_bytes=MIB)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    assert not server.folder.exists()


def wav(path: Path, seconds: float, rate: int = 16000, **options: str) -> bytes:
    soundfile.write(path, speech_like(seconds, rate, 1), rate, **options)
    return path.read_bytes()


def ask(
    server: DemoServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), content


def upload(server: DemoServer, body: bytes, name: str = "a.wav", **headers: str) -> tuple[int, dict[str, object]]:
    headers = {"Content_Type": "audio/wav", "X_File_Name": name, **headers}
    status, _, content = ask(server, "POST", "/api/predict", body, **headers)
    assert not list(server.folder.iterdir())
    return status, json.loads(content)


def test_an_upload_is_judged_as_predict_judges_the_file(server: DemoServer, tmp_path: Path) -> None:
    body = wav(tmp_path / "x.flac", 3.0, 44100)
    status, answer = upload(server, body, "%E5%BD%95%E9%9F%B3%201.flac", Content_Type="audio/flac")
    assert status == 200
    expected = server.model.predict_file(tmp_path / "x.flac", describe=True).to_dict()
    assert answer["result"] == {"path": "录音 1.flac", **json.loads(json.dumps(expected))}
    samples, _ = soundfile.read(tmp_path / "x.flac")
    assert max(answer["peaks"]) == pytest.approx(np.abs(samples).max(), abs=1e-3)
    starts = [point["start"] for point in answer["course"]]
    assert starts == [0.25 * i for i in range(7)]
    assert all(0 <= point["intensity"]["value"] <= 1 for point in answer["course"])


@pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="no PyAV: pip install av")
def test_a_film_is_heard(server: DemoServer, tmp_path: Path) -> None:
    path = write_other(tmp_path / "x.mp4", speech_like(3.0, 16000, 1)[:, None], 16000, video="mpeg4")
    status, answer = upload(server, path.read_bytes(), "x.mp4", Content_Type="video/mp4")
    assert status == 200 and answer["result"]["duration"] == pytest.approx(3.0, abs=0.07)
    assert max(answer["peaks"]) == pytest.approx(np.abs(speech_like(3.0, 16000, 1)).max(), rel=0.1)
    path = write_other(tmp_path / "y.mov", np.zeros((0, 1)), 16000, video="mpeg4")
    status, answer = upload(server, path.read_bytes(), "y.mov", Content_Type="video/quicktime")
    assert (status, answer) == (415, {"error": "y.mov has no sound: name a file that has"})


def test_a_long_upload_has_its_windows_as_course_and_a_short_one_has_none(server: DemoServer, tmp_path: Path) -> None:
    status, answer = upload(server, wav(tmp_path / "long.wav", 25.0))
    assert status == 200
    assert [point["start"] for point in answer["course"]] == [w["start"] for w in answer["result"]["windows"]]
    assert upload(server, wav(tmp_path / "short.wav", 0.4))[1]["course"] == []


def test_what_is_not_audio_is_refused_with_a_sentence(server: DemoServer, tmp_path: Path) -> None:
    sound = wav(tmp_path / "a.wav", 1.0)
    cases = {
        "image.wav": (JPEG, "image.wav is not audio, whatever its name says"),
        "..%2F..%2Fetc%2Fempty.wav": (b"", "empty.wav is empty"),
        "half.wav": (sound[: len(sound) // 2], "half.wav is truncated"),
        "silent.wav": (sound[:44] + bytes(len(sound) - 44), "silent.wav is silent"),
        "call.webm": (b"\x1a\x45\xdf\xa3" + bytes(500), f"call.webm is {WEBM}"),
        "x%0A%1B[31m.wav": (JPEG, "x[31m.wav is not audio"),
        "": (JPEG, "the recording is not audio"),
    }
    for name, (body, sentence) in cases.items():
        status, answer = upload(server, body, name)
        assert (status, str(answer["error"])[: len(sentence)]) == (415, sentence)
        assert not re.search("speecheq-|/proc/", str(answer["error"]))
    assert upload(server, JPEG, "a.jpg", Content_Type="image/jpeg")[1] == {
        "error": "a.jpg is not audio (image/jpeg): choose a recording, such as a wav or flac"
    }
    assert upload(server, sound)[0] == 200


def test_too_large_too_long_or_of_unknown_length(
    server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, answer = upload(server, bytes(MIB + 1), "big.wav")
    assert status == 413 and "big.wav has 1.0 MiB, this page takes 1: choose a shorter one" in str(answer["error"])
    monkeypatch.setattr("seq.demo.judge.MAX_SECONDS", 2.0)
    status, answer = upload(server, wav(tmp_path / "b.wav", 2.5))
    assert status == 415 and "a.wav is" in str(answer["error"]) and "use speecheq predict" in str(answer["error"])
    for length in ("-1", "1e3", "²"):
        request = f"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        assert raw(server, request.encode("utf-8")).startswith(b"HTTP/1.1 411")
    request = "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert raw(server, request.encode("ascii")).startswith(b"HTTP/1.1 411")


def test_a_full_disk_is_told_and_the_page_goes_on(
    server: DemoServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sound = wav(tmp_path / "a.wav", 2.0)
    with small_files(20_000):
        status, answer = upload(server, sound)
    assert status == 507 and "a.wav cannot be stored here while it is judged (File too large)" in str(answer["error"])
    assert upload(server, sound)[0] == 200
    assert capfd.readouterr().err == ""


def raw(server: DemoServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=20) as connection:
        connection.sendall(request)
        return connection.makefile("rb").read()


def test_a_client_that_hangs_up_leaves_nothing(
    server: DemoServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.server_address[1])) as connection:
        connection.sendall(HALF_AN_UPLOAD)
    assert upload(server, wav(tmp_path / "a.wav", 0.5))[0] == 200
    assert capfd.readouterr().err == ""


def test_other_sites_and_foreign_names_are_refused(server: DemoServer, tmp_path: Path) -> None:
    sound = wav(tmp_path / "a.wav", 0.5)
    port = server.server_address[1]
    good = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}", "Sec_Fetch_Site": "same-origin"}
    assert upload(server, sound, **good)[0] == 200
    for bad in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": f"http://localhost:{port + 1}"},
    ):
        status, answer = upload(server, sound, **{**good, **bad})
        assert status == 403 and "server" in str(answer["error"])
    for path in ("/", "/api/model"):
        assert ask(server, "GET", path, Host="evil.example:80")[0] == 403
    # What a form or a plain script of another site can send without asking first.
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""):
        assert upload(server, sound, Content_Type=kind)[0] == 415
    assert ask(server, "OPTIONS", "/api/predict")[0] == 501
    assert is_own_name("[::1]", "127.0.0.1") and is_own_name("box.lan", "box.lan")
    assert not is_own_name("127.0.0.1.evil.example", "127.0.0.1")
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "box.lan")))


def test_only_the_page_is_served_and_it_is_self_contained(server: DemoServer) -> None:
    status, headers, page = ask(server, "GET", "/")
    text = page.decode("utf-8")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert not re.search(r"(src|href)=\"(?!data:)|@import|url\(|innerHTML", text)
    assert "/*STYLE*/" not in text and "/*SCRIPT*/" not in text
    for path in ("/../../etc/passwd", "/page.js", "/%2e%2e/seq/cli.py", "//etc/passwd", "/api/predict", "/model.onnx"):
        status, _, content = ask(server, "GET", path)
        assert (status, json.loads(content)) == (404, {"error": "there is nothing at this address: open /"})
    assert ask(server, "HEAD", "/")[2] == b""
    model = json.loads(ask(server, "GET", "/api/model")[2])
    assert (model["main"], model["max_bytes"]) == ("emotion", MIB)
    kinds = {"emotion": "category", "intensity": "scale", "gender": "category", "phone": "sequence"}
    assert {task["name"]: task["kind"] for task in model["tasks"]} == kinds
    for task in model["tasks"]:
        assert task["labels"] == server.model.description["tasks"][task["name"]]["labels"]
    assert [task["called"] for task in model["tasks"]] == ["emotion", "intensity", "gender", "phones"]


def test_the_command(folder: Path, server: DemoServer, capsys: pytest.CaptureFixture[str]) -> None:
    port = str(server.server_address[1])
    for arguments, sentence in (
        ((folder, "--port", port), f"port {port} of 127.0.0.1 is taken"),
        ((folder, "--port", "99999"), "cannot listen on port 99999"),
        ((folder, "--host", "203.0.113.7", "--port", "0"), "cannot listen on port 0 of 203.0.113.7"),
        ((folder / "nothing",), "nothing"),
    ):
        with pytest.raises(InputError, match=sentence):
            main(["demo", *map(str, arguments)])
    with pytest.raises(SystemExit):
        main(["demo", str(folder), "--max-mb", "0"])
    with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is taken"):
        main(["demo", str(folder), "--port", port, "--max-mb", "1e308"])


@pytest.mark.skipif(not CAN_TELL, reason="no /proc: an upload has a name until it is closed")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL])
def test_a_signal_ends_it_and_leaves_no_recording(folder: Path, tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "seq.cli", "demo", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)},
        # What a shell starts with & inherits ignored signals; this test wants those that work.
        preexec_fn=lambda: [signal.signal(ignored, signal.SIG_DFL) for ignored in STOPPING],
    )
    assert process.stdout is not None
    address = re.match(r"open http://127\.0\.0\.1:(\d+)/ ", process.stdout.readline())
    assert address is not None
    with socket.create_connection(("127.0.0.1", int(address[1]))) as connection:
        connection.sendall(HALF_AN_UPLOAD)
        wait_for_file_in(next(tmp_path.iterdir()), process)
        assert not list(tmp_path.glob("*/*"))
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    if number == signal.SIGKILL:
        # Of an upload there is nothing, even where nobody could delete it.
        assert [path.is_dir() for path in tmp_path.rglob("*")] == [True]
    else:
        assert (process.returncode, errors) == (0, "stopped\n")
        assert not list(tmp_path.iterdir())


def test_twenty_uploads_at_once_and_slow_senders_beside_them(server: DemoServer, tmp_path: Path) -> None:
    sound, answers = wav(tmp_path / "a.wav", 0.5), []

    def send() -> None:
        answers.append(ask(server, "POST", "/api/predict", sound, Content_Type="audio/wav")[0])

    with contextlib.ExitStack() as stack:
        for _ in range(10):
            address = ("127.0.0.1", server.server_address[1])
            stack.enter_context(socket.create_connection(address, timeout=2)).sendall(HALF_AN_UPLOAD)
        threads = [threading.Thread(target=send) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [200] * 20


def test_many_may_ask_at_once(folder: Path) -> None:
    server = DemoServer(load_model(folder), port=0)
    with contextlib.ExitStack() as stack:
        # Nobody takes them off the queue yet.
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=2))
            for _ in range(60)
        ]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for client in clients:
            client.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert {client.makefile("rb").read()[:15] for client in clients} == {b"HTTP/1.1 200 OK"}
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        (f"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {'9' * 5000}\r\n\r\n", 413, "is too large"),
        ("BREW / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "does not answer for the host 'evil.example'"),
        ("BREW / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 501, "GET, HEAD and POST"),
        ("GET / HTTP/1.1 or so\r\n\r\n", 400, "Bad request"),
        (f"GET /{'a' * 70000} HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "Too Long"),
    ],
)
def test_what_is_no_request_is_refused_in_json(server: DemoServer, request_: str, status: int, sentence: str) -> None:
    head, _, body = raw(server, request_.encode("ascii")).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert sentence in json.loads(body)["error"]


def test_who_trickles_is_hung_up_on(
    server: DemoServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for limit in ("TIMEOUT_SECONDS", "UPLOAD_SECONDS"):
        monkeypatch.setattr(f"seq.demo.handler.{limit}", 0.5)
    for start, answer in ((b"GET / HTTP/1.1\r\nX-Slow: ", b""), (HALF_AN_UPLOAD, b"HTTP/1.1 408")):
        with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=0.1) as connection:
            connection.sendall(start)
            found, deadline = None, time.monotonic() + 10
            while found is None and time.monotonic() < deadline:
                connection.sendall(b"a")
                with contextlib.suppress(TimeoutError):
                    found = connection.recv(12)
        assert found == answer
    assert not list(server.folder.iterdir()) and capfd.readouterr().err == ""

"""`speecheq demo` in a real headless Chromium: upload, record, read, download, refuse. Skipped without a browser.

SPEECHEQ_SCREENSHOT=docs/demo.png SPEECHEQ_DEMO_MODEL=DIR SPEECHEQ_DEMO_AUDIO=FILE also takes the docs' screenshot.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile
from corpus_builders import speech_like
from exported_model import make_model_folder

from seq.demo.server import MIB, DemoServer
from seq.runtime import load_model

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[browser]'")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("there is no browser: apt-get install chromium chromium-driver", allow_module_level=True)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-sync",
    "--window-size=1040,1400",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    for seed, (name, seconds) in enumerate({"short 录音.wav": 3.0, "long.flac": 26.0}.items()):
        soundfile.write(folder / name, speech_like(seconds, 16000, seed), 16000)
    (folder / "photo.wav").write_bytes(b"\xff\xd8\xff\xe0" + bytes(2000))
    (folder / "big.wav").write_bytes(bytes(2 * MIB))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[DemoServer]:
    model = os.environ.get("SPEECHEQ_DEMO_MODEL") or make_model_folder(folder)
    server = DemoServer(load_model(model), port=0, max_bytes=MIB)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(folder: Path, server: DemoServer) -> Iterator[Chrome]:
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, Service(shutil.which("chromedriver")))
    browser.get(server.url)
    yield browser
    browser.quit()


def wait(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the page did not get there in time"
        time.sleep(0.05)


def text(browser: Chrome, selector: str) -> str:
    return browser.find_element("css selector", selector).text


def upload(browser: Chrome, path: Path, shows: str) -> None:
    """Choose a file and wait until `shows` is visible."""
    browser.find_element("id", "file").send_keys(str(path))
    wait(lambda: browser.find_element("css selector", shows).is_displayed())


def count(browser: Chrome, selector: str) -> int:
    return len(browser.find_elements("css selector", selector))


def test_upload_a_file_and_read_the_answer(browser: Chrome, server: DemoServer, folder: Path) -> None:
    path = Path(os.environ.get("SPEECHEQ_DEMO_AUDIO") or folder / "short 录音.wav").resolve()
    wait(lambda: server.model.description["corpus"] in text(browser, "#model"))
    upload(browser, path, "#result")
    expected = server.model.predict_file(path)
    assert expected.emotion and expected.intensity and expected.phones is not None
    share = round(100 * expected.emotion.confidence)
    assert text(browser, "#answer-title") == f"{expected.emotion.label}, {share} %"
    assert path.name in text(browser, "#answer-facts")
    assert f"intensity {expected.intensity.level} ({expected.intensity.value:.2f})" in text(browser, "#answer-facts")
    bars = [row.text.split() for row in browser.find_elements("css selector", "#categories li")]
    ranked = sorted(expected.emotion.probs.items(), key=lambda item: -item[1])
    assert [bar[0] for bar in bars] == [label for label, _ in ranked]
    assert count(browser, "#wave .phone-box") == len(expected.phones)
    assert count(browser, "#wave polygon.wave") == count(browser, "#course .curve") == 1
    wait(lambda: browser.execute_script("return document.getElementById('player').duration > 0"))
    if screenshot := os.environ.get("SPEECHEQ_SCREENSHOT"):
        time.sleep(0.8)  # The bars grow for 0.4 s.
        browser.save_screenshot(screenshot)


def test_download_the_json(browser: Chrome, server: DemoServer, folder: Path) -> None:
    upload(browser, folder / "long.flac", "#result")
    browser.find_element("id", "download").click()
    saved = folder / "downloads" / "long.json"
    wait(saved.exists)
    expected = {"path": "long.flac", **server.model.predict_file(folder / "long.flac", describe=True).to_dict()}
    assert json.loads(saved.read_text(encoding="utf-8")) == json.loads(json.dumps(expected))
    assert count(browser, "#course circle") == len(expected["windows"])


def test_refusals_are_read_on_the_page(browser: Chrome, folder: Path) -> None:
    upload(browser, folder / "photo.wav", "#error")
    assert text(browser, "#error").startswith("photo.wav is not audio, whatever its name says")
    assert not browser.find_element("id", "result").is_displayed()
    upload(browser, folder / "big.wav", "#error")
    wait(lambda: text(browser, "#error").startswith("big.wav has 2.0 MiB, this page takes 1: choose a shorter one"))


def test_record_by_the_microphone(browser: Chrome) -> None:
    button = browser.find_element("id", "record")
    button.click()
    wait(lambda: button.get_attribute("aria-pressed") == "true")
    time.sleep(1.5)
    button.click()
    # The browser's own microphone beeps.
    wait(lambda: browser.find_element("id", "result").is_displayed())
    assert "recording.wav" in text(browser, "#answer-facts")
    assert float(text(browser, "#answer-facts").split(" · ")[1].split()[0]) > 1.0
    assert count(browser, "#wave polygon.wave") == 1


def test_the_page_said_nothing_bad_on_the_console(browser: Chrome) -> None:
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    # The refused upload is logged by the browser itself.
    assert [message for message in severe if "415" not in message] == []

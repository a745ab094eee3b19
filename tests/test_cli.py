"""`speecheq`: every kind of path, every kind of bad recording, every output, and what it does not import."""

from __future__ import annotations

import csv
import fcntl
import gzip
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_builders import speech_like, spoken
from exported_model import make_run
from open_files import CAN_TELL, wait_for_file_in
from other_audio import write_other
from tiny_experiment import make_experiment

from seq.cli import main
from seq.decode.run import decode_run
from seq.errors import InputError
from seq.export.run import export_run
from seq.train.run import train_run

RATE = 16000
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb0043") + bytes(range(256)) * 8


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    experiment = make_run(folder)
    assert main(["export", str(experiment.exp_dir), "--out", str(folder / "model"), "--keep-all"]) == 0
    return folder / "model"


def predict(model: Path, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["predict", str(model), *map(str, arguments)])
    return code, capsys.readouterr().out


def rows_of(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def write(path: Path, seconds: float = 0.8, rate: int = RATE, channels: int = 1, seed: int = 1) -> Path:
    samples = speech_like(seconds, rate, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([samples] * channels, axis=1), rate)
    return path


@pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="no PyAV: pip install av")
def test_other_formats_come_in_by_every_door(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = speech_like(24.0, RATE, 1)[:, None]
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    (tmp_path / "in").mkdir()
    write_other(tmp_path / "in/film.mp4", samples, RATE, video="mpeg4")
    write_other(tmp_path / "in/short.m4a", samples[: 2 * RATE], RATE)
    write_other(tmp_path / "in/still.mov", samples[:0], RATE, video="mpeg4")
    whole = rows_of(predict(model, capsys, tmp_path / "a.wav")[1])[0]
    code, output = predict(model, capsys, tmp_path / "in")
    film, short, still = rows_of(output)
    assert code == 1 and "still.mov has no sound" in str(still["error"])
    assert (short["duration"], film["duration"]) == pytest.approx((2.0, 24.0), abs=0.07)
    starts, expected = ([window["start"] for window in row["windows"]] for row in (film, whole))  # type: ignore[attr-defined]
    assert starts == pytest.approx(expected, abs=0.1)
    for content in ((tmp_path / "in/film.mp4").read_bytes(), b"\0\0\0\x20ftypisom" + bytes(99)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        row = rows_of(predict(model, capsys, "-")[1])[0]
        assert row.get("windows") == film["windows"] or "standard input is truncated" in str(row["error"])


def bad_folder(folder: Path) -> dict[str, str | None]:
    """Fill a folder with recordings good and bad; what each one's error must say (None: it is answered)."""
    write(folder / "a good.wav")
    write(folder / "b 录音 空格.flac", seed=2)
    (folder / "c empty.wav").write_bytes(b"")
    content = write(folder / "d truncated.wav").read_bytes()
    (folder / "d truncated.wav").write_bytes(content[: len(content) // 2])
    flac = write(folder / "e truncated.flac").read_bytes()
    (folder / "e truncated.flac").write_bytes(flac[: len(flac) // 2])
    soundfile.write(folder / "f silent.wav", np.zeros(RATE), RATE)
    write(folder / "g 50ms.wav", seconds=0.05)
    write(folder / "h telephone.wav", rate=8000)
    write(folder / "i 192k.wav", rate=192000)
    write(folder / "j 8 channels.wav", channels=8)
    samples = speech_like(0.8, RATE, 1)
    samples[100] = np.nan
    soundfile.write(folder / "k nan.wav", samples, RATE, subtype="FLOAT")
    (folder / "l photo.wav").write_bytes(JPEG)
    soundfile.write(folder / "m header only.wav", np.zeros(0), RATE)
    soundfile.write(folder / "n long silence.wav", np.zeros(25 * RATE), RATE)
    write(folder / "o last.ogg", seed=3)
    (folder / "p phone.m4a").write_bytes(b"\0\0\0\x1cftypM4A " + bytes(100))
    (folder / "notes.txt").write_text("not audio, by its name")
    return {
        "a good.wav": None,
        "b 录音 空格.flac": None,
        "c empty.wav": "is empty",
        "d truncated.wav": "truncated",
        "e truncated.flac": "truncated",
        "f silent.wav": "silent",
        "g 50ms.wav": None,
        "h telephone.wav": None,
        "i 192k.wav": None,
        "j 8 channels.wav": None,
        "k nan.wav": "NaN",
        "l photo.wav": "not audio",
        "m header only.wav": "no samples",
        "n long silence.wav": "silent",
        "o last.ogg": None,
        "p phone.m4a": "convert it",
    }


def test_every_bad_recording_is_one_line_and_the_others_are_answered(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = bad_folder(tmp_path / "in")
    code, output = predict(model, capsys, tmp_path / "in", tmp_path / "missing.wav", "--jobs", 2)
    assert code == 1
    rows = rows_of(output)
    assert [Path(str(row["path"])).name for row in rows] == [*expected, "missing.wav"]
    for row, message in zip(rows, [*expected.values(), "does not exist"], strict=True):
        if message is None:
            assert "error" not in row and row["emotion"], row
        else:
            assert message in str(row["error"]) and Path(str(row["path"])).name in str(row["error"]), row
            assert "emotion" not in row
    by_name = {Path(str(row["path"])).name: row for row in rows}
    assert by_name["g 50ms.wav"]["uncertain"] is True


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever the permissions say")
def test_unreadable_file(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.wav").chmod(0)
    code, output = predict(model, capsys, tmp_path / "a.wav")
    assert code == 1 and "Permission denied" in str(rows_of(output)[0]["error"])


def test_lists_and_manifests(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audio = write(tmp_path / "with space.wav", seconds=3.0)
    scp = tmp_path / "wav.scp"
    scp.write_text(f"one {audio}\n\ntwo cat {audio} |\nthree\n", encoding="utf-8")
    recording = {
        "id": "rec",
        "sources": [{"type": "file", "channels": [0], "source": str(audio)}],
        "sampling_rate": RATE,
        "num_samples": 3 * RATE,
        "duration": 3.0,
    }
    cut = {"id": "cut", "start": 1.0, "duration": 1.5, "channel": 0, "recording": recording, "type": "MonoCut"}
    command = {**recording, "id": "pipe", "sources": [{"type": "command", "channels": [0], "source": "rm -rf x"}]}
    manifest = tmp_path / "cuts.jsonl.gz"
    with gzip.open(manifest, "wt") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in (recording, cut, command, {"id": "sup"}, [1]))
    code, output = predict(model, capsys, scp, manifest)
    rows = rows_of(output)
    assert code == 1 and [row.get("id") for row in rows] == ["one", "two", "three", "rec", "cut", "pipe", "sup", None]
    assert [("error" in row) for row in rows] == [False, True, True, False, False, True, True, True]
    assert "not run" in str(rows[1]["error"]) and "only files" in str(rows[5]["error"])
    assert rows[3]["duration"] == 3.0 and rows[4]["duration"] == 1.5
    assert rows[0]["emotion"] == rows[3]["emotion"]


def test_every_line_of_a_list_stands_for_itself(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = write(tmp_path / "a.wav")
    source = {"type": "file", "channels": [0], "source": str(audio)}
    recording = {"id": "x", "sources": [source], "sampling_rate": RATE, "num_samples": RATE, "duration": 0.8}

    def cut(start: str, duration: str) -> str:
        row = json.dumps({"id": "cut", "start": "S", "duration": "D", "recording": recording})
        return row.replace('"S"', start).replace('"D"', duration)

    bad = [
        cut("0", "Infinity"), cut("NaN", "1"), cut("0", "1" * 4000), cut("-1e18", "1"), cut("1e308", "1"),
        cut("0", "-1"), cut("0", "9" * 5000), "[" * 100_000 + "]" * 100_000, '{"id": "half', "\x00\x1f", "null",
        json.dumps({**recording, "sources": [{**source, "source": f"{audio}\0.wav"}]}),
        json.dumps({**recording, "id": "y" * 300, "sources": [{**source, "source": str(tmp_path / ("z" * 300))}]}),
        json.dumps({**recording, "id": "\ud800", "sources": [{**source, "source": "\ud800"}]}),
    ]  # fmt: skip
    good = json.dumps(recording)
    manifest = tmp_path / "cuts.jsonl"
    manifest.write_bytes(b"\n".join([line.encode() for row in bad for line in (row, good)] + [b"\xff\xfe", b""]))
    for form in ("json", "csv", "table"):
        code, output = predict(model, capsys, manifest, "--format", form)
        assert code == 1 and len(output.splitlines()) == 2 * len(bad) + 1 + (form != "json")
    rows = rows_of(predict(model, capsys, manifest)[1])
    assert ["error" in row for row in rows] == [True, False] * len(bad) + [True]
    assert f"line {len(bad) * 2 + 1} is neither" in str(rows[-1]["error"])
    for name in ("empty.scp", "empty.jsonl"):
        (tmp_path / name).write_text("\n")
        code, output = predict(model, capsys, tmp_path / name)
        assert code == 1 and "is empty" in str(rows_of(output)[0]["error"])


def test_a_carriage_return_in_a_name_splits_no_row(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a\rb.wav")
    _, output = predict(model, capsys, tmp_path, "--format", "csv")
    for form in (io.StringIO(output, newline=""), io.StringIO(output, newline=None)):
        rows = list(csv.DictReader(form))
        assert len(rows) == 1 and rows[0]["part"] == "recording" and "a" in rows[0]["path"]
    scp = tmp_path / "wav.scp"
    scp.write_bytes(f"one {tmp_path}/a\rb.wav\r\n".encode())
    code, output = predict(model, capsys, scp)
    assert code == 0 and rows_of(output)[0]["path"] == f"{tmp_path}/a\rb.wav"


def test_csv_and_table_have_a_row_per_window(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "long.wav", seconds=24.0)
    (tmp_path / "photo\n.wav").write_bytes(JPEG)
    code, _ = predict(model, capsys, tmp_path, "--format", "csv", "--describe", "--out", tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8"))))
    assert code == 1 and [row["part"] for row in rows] == ["recording", "window", "window", "window", "window", ""]
    assert "photo" in rows[5]["path"] and "not audio" in rows[5]["error"] and rows[0]["description"].endswith(".")
    assert float(rows[1]["p_happy"]) + float(rows[1]["p_sad"]) + float(rows[1]["p_neutral"]) == pytest.approx(
        1, abs=2e-4
    )
    code, output = predict(model, capsys, tmp_path, "--format", "table")
    lines = output.splitlines()
    assert len(lines) == 7 and lines[2].lstrip().startswith("0:00:00") and "error: " in lines[6]


def test_a_model_without_emotion_has_the_same_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = make_experiment(tmp_path, tasks=["gender"])
    train_run(experiment, 1, 0)
    decode_run(experiment, 1, 0)
    export_run(experiment.run_dir(1, 0), tmp_path / "model")
    audio = write(tmp_path / "a.wav")
    _, output = predict(tmp_path / "model", capsys, audio)
    row = rows_of(output)[0]
    assert list(row) == [
        "path", "duration", "start", "end", "emotion", "uncertain", "intensity", "gender", "phones",
        "doubts", "band",
    ]  # fmt: skip
    assert [name for name, value in row.items() if value is None] == ["emotion", "uncertain", "intensity", "phones"]
    _, output = predict(tmp_path / "model", capsys, audio, "--format", "csv")
    header, cells = csv.reader(io.StringIO(output))
    assert header == [
        "id", "path", "part", "start", "end", "duration", "emotion", "confidence", "uncertain", "intensity", "level",
        "gender", "gender_confidence", "phones", "doubts", "band", "description", "error",
    ]  # fmt: skip
    found = dict(zip(header, cells, strict=True))
    assert found["gender"] in ("F", "M") and found["emotion"] == found["uncertain"] == found["phones"] == ""


def test_words_may_stand_in_any_order(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (str(write(tmp_path / name)) for name in ("one.wav", "two.wav"))
    expected = predict(model, capsys, one, two, "--describe")
    assert expected[0] == 0 and predict(model, capsys, "--describe", one, two) == expected
    assert predict(model, capsys, one, "--describe", two, "--nj", "1") == expected
    for wrong in (["--descrip", two], [two, "--loud"], ["-x"]):
        with pytest.raises(SystemExit):
            predict(model, capsys, one, *wrong)
        assert "unrecognized arguments: -" in capsys.readouterr().err
    # A model that is mistyped is no recording that failed.
    for words in (["predict", str(tmp_path / "modle"), one], ["predict", str(tmp_path / "modle"), "--microphone"]):
        with pytest.raises(InputError, match="modle is neither a model folder nor a recording"):
            main(words)


def test_nothing_is_written_where_the_command_is_wrong(model: Path, tmp_path: Path) -> None:
    for arguments in (["-", "x.wav"], ["x.wav", "--every", "1"], ["x.wav", "--raw", "16000"]):
        with pytest.raises(InputError):
            main(["predict", str(model), *arguments])
    with pytest.raises(InputError, match="none is neither a model folder nor a recording"):
        main(["predict", str(tmp_path / "none"), "x.wav"])
    for option in ("--jobs", "--batch-seconds", "--every", "--raw"):
        for number in ("9" * 5000 if option in ("--jobs", "--raw") else "1e400", "nan", "-1", "0"):
            with pytest.raises(SystemExit, match="2"):
                main(["predict", str(model), "-", option, number])


def test_nothing_that_is_read_is_written(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write(tmp_path / "in/a.wav").read_bytes()
    scp = tmp_path / "wav.scp"
    scp.write_text(f"a {tmp_path}/in/a.wav\n")
    description = (model / "model.json").read_bytes()
    for paths, out, message in (
        ([tmp_path / "in/a.wav"], tmp_path / "in/a.wav", "is read by the same command"),
        ([tmp_path / "in"], tmp_path / "in/a.wav", "is read by the same command"),
        ([scp], tmp_path / "in/../in/a.wav", "is read by the same command"),
        ([scp], scp, "is read by the same command"),
        ([scp], model / "model.json", "lies in the model folder"),
        ([scp], tmp_path, "is a folder"),
        ([scp], "", "is empty"),
    ):
        with pytest.raises(InputError, match=message):
            main(["predict", str(model), *map(str, paths), "--out", str(out)])
    with open(tmp_path / "in/a.wav", "rb") as stdin, pytest.raises(InputError, match="is read by the same command"):
        monkeypatch.setattr(sys, "stdin", stdin)
        main(["predict", str(model), "-", "--out", str(tmp_path / "in/a.wav")])
    for command, out, message in (
        (["finetune", str(model), "--corpus", str(scp)], "/", "is the root"),
        (["finetune", str(model), "--corpus", str(scp)], model / "new", "lies in the model folder"),
        (
            ["finetune", str(model), "--corpus", str(scp), "--work", str(model / "w")],
            tmp_path / "o",
            "--work .* lies in",
        ),
    ):
        with pytest.raises(InputError, match=message):
            main([*command, "--out", str(out)])
    with pytest.raises(InputError, match="lies in the model folder"):
        export_run(tmp_path, model / "new")
    assert (tmp_path / "in/a.wav").read_bytes() == content and (model / "model.json").read_bytes() == description
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "wav.scp"]


def run_command(arguments: list[str], stdin: bytes = b"", stdout: object = subprocess.PIPE) -> tuple[int, bytes, str]:
    done = subprocess.run(
        [sys.executable, "-m", "seq.cli", *arguments],
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,  # type: ignore[call-overload]
    )
    return done.returncode, done.stdout, done.stderr.decode()


def wav_bytes(samples: np.ndarray, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, rate, 0, "NONE", ""))
        wav.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def test_standard_input_as_it_comes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = spoken(1.6, RATE, seed=4)
    content = wav_bytes(samples, RATE)
    (tmp_path / "a.wav").write_bytes(content)
    soundfile.write(tmp_path / "a.flac", samples, RATE)
    expected = rows_of(predict(model, capsys, tmp_path / "a.wav")[1])[0]

    def feed(data: bytes, *options: object) -> tuple[int, list[dict[str, object]]]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        code, output = predict(model, capsys, "-", *options)
        return code, rows_of(output)

    code, rows = feed(content)
    assert code == 0 and rows == [{**expected, "path": "-"}]
    # What ffmpeg writes into a pipe: sizes that it cannot know.
    unknown = content[:4] + b"\xff\xff\xff\xff" + content[8:40] + b"\xff\xff\xff\xff" + content[44:]
    code, rows = feed(unknown, "--every", "0.5")
    assert code == 0 and rows[-1] == {**expected, "path": "-"}
    assert [row.get("partial") for row in rows] == [True] * (len(rows) - 1) + [None] and len(rows) >= 5
    assert feed(content[44:], "--raw", RATE)[1] == [{**expected, "path": "-"}]
    assert feed((tmp_path / "a.flac").read_bytes())[1][0]["duration"] == expected["duration"]
    for data, message in (
        (b"", "empty"),
        (JPEG, "not audio"),
        (content[:-500], "truncated"),
        (content[:30], "damaged"),
        (content[:22] + b"\xff\xff" + content[24:], "65535 channels"),
        (content[:24] + (1).to_bytes(4, "little") + content[28:], "a rate of 1 Hz"),
    ):
        code, rows = feed(data)
        assert code == 1 and message in str(rows[0]["error"])


# Ends as a kill does, in the middle of what it writes of the recording of that number.
KILLED = """
import os, signal, sys
from seq.cli import main
from seq.runtime import output, resumed_output
resumed_output.SAVE_SECONDS = 0.0
done = output.Writer.write
left = [int(sys.argv.pop(1))]
def write(writer, outcome, partial=False):
    left[0] -= 1
    if left[0]:
        return done(writer, outcome, partial)
    writer._stream.write('{"path": ",')
    writer._stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
output.Writer.write = write
main(sys.argv[1:])
"""


@pytest.mark.parametrize("form", ["json", "csv"])
def test_out_goes_on_where_it_was_stopped(model: Path, tmp_path: Path, form: str) -> None:
    for number in range(24):
        write(tmp_path / f"in/{number:02d}.wav", 0.3 + 0.02 * number, seed=number)
    write(tmp_path / "in/11.wav", 45.0)
    (tmp_path / "in/20.wav").write_bytes(JPEG)
    out, part = tmp_path / "answers", tmp_path / ".part.answers"
    command = ["predict", str(model), str(tmp_path / "in"), "--format", form]
    assert main([*command, "--out", str(tmp_path / "whole"), "--nj", "1"]) == 1
    # The 1st and the 18th recording begin a group; the 12th has windows, and the 21st an error.
    for number in (12, 9):
        killed = subprocess.run([sys.executable, "-c", KILLED, str(number), *command, "--out", str(out), "--nj", "2"])
        assert killed.returncode == -signal.SIGKILL and not out.exists()
    for options, message in (
        (["--format", "table"], "begun with another format and has 19 answers"),
        (["--batch-seconds", "30"], f"another batch_seconds .* delete {part} and {part}.json to start over"),
    ):
        with pytest.raises(InputError, match=message):
            main([*command, *options, "--out", str(out)])
    status = os.stat(tmp_path / "in/03.wav")
    os.utime(tmp_path / "in/03.wav", (0, 0))
    with pytest.raises(InputError, match="the recordings of its 19 answers have changed since"):
        main([*command, "--out", str(out)])
    os.utime(tmp_path / "in/03.wav", ns=(status.st_atime_ns, status.st_mtime_ns))
    with open(part, "ab") as other, pytest.raises(InputError, match="another process writes"):
        fcntl.flock(other, fcntl.LOCK_EX)
        main([*command, "--out", str(out)])
    assert main([*command, "--out", str(out), "--nj", "2"]) == 1
    assert out.read_bytes() == (tmp_path / "whole").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers", "in", "whole"]


@pytest.mark.skipif(not CAN_TELL, reason="no /proc: the file has a name until it is closed")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_what_was_piped_in_is_gone_when_the_command_is_stopped(
    model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "temporary").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "seq.cli", "predict", str(model), "-", "--out", str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        preexec_fn=None if number == signal.SIGKILL else lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write(b"fLaC" + bytes(1 << 20))
    process.stdin.flush()
    wait_for_file_in(tmp_path / "temporary", process)
    assert not any((tmp_path / "temporary").iterdir())
    process.send_signal(number)
    if number == signal.SIGKILL:
        process.wait()
        # It goes when its place is written again.
        assert (tmp_path / f".{process.pid}.tmp.out").is_file()
        (tmp_path / f".{process.pid}.tmp.other").touch()
        assert main(["predict", str(model), str(write(tmp_path / "a.wav")), "--out", str(tmp_path / "out")]) == 0
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {"temporary", "a.wav", "out", f".{process.pid}.tmp.other"}
    else:
        assert process.wait() == 128 + number and process.stderr.read().startswith(b"interrupted")
        assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]


def test_command_is_light_and_survives_a_closed_pipe_and_a_full_disk(model: Path, tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    program = (
        "import sys; from seq.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'lhotse', 'scipy', 'sklearn', 'k2', 'soxr'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    home = tmp_path / "home"
    home.mkdir()
    # Not even onnxruntime's telemetry, which keeps an identifier there and is off in CI by itself.
    hidden = ("CI", "XDG_", "GITHUB_", "ORT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    command = [sys.executable, "-c", program, "predict", str(model), str(tmp_path / "a.wav")]
    done = subprocess.run(command, capture_output=True, env={**environment, "HOME": str(home)})
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    assert not any(home.iterdir())
    scp = tmp_path / "wav.scp"
    scp.write_text(f"x {tmp_path / 'a.wav'}\n" * 400)
    pipe = subprocess.Popen(
        [sys.executable, "-m", "seq.cli", "predict", model, scp], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert pipe.stdout is not None and pipe.stderr is not None
    assert json.loads(pipe.stdout.readline())["id"] == "x"
    pipe.stdout.close()
    assert pipe.stderr.read() == b"" and pipe.wait() == 141
    if Path("/dev/full").exists():
        with open("/dev/full", "wb") as full:
            code, _, message = run_command(["predict", str(model), str(tmp_path / "a.wav")], stdout=full)
        assert code == 2 and message.startswith("error: no space left") and "Traceback" not in message

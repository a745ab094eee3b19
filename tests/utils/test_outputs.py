"""Writing never destroys what is read, a model folder, a device or a link, and says so before anything is computed."""

from __future__ import annotations

import os
import runpy
import threading
from pathlib import Path

import pytest

from seq.errors import InputError
from seq.utils.files import atomic_path, write_text
from seq.utils.outputs import MODEL_FILES, check_out_file, check_out_place, out_path

ROOT = Path(__file__).parents[2]


def test_an_input_is_refused_by_whatever_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "a.wav"
    source.write_text("a recording")
    (tmp_path / "link").symlink_to("a.wav")
    os.link(source, tmp_path / "hard")
    for name in ("a.wav", "./a.wav", "link", "hard", str(source)):
        with pytest.raises(InputError, match=r"--out .* is read by the same command"):
            check_out_file("--out", Path(name), ["b.wav", source])
    with open(source) as stream, pytest.raises(InputError, match="is read by"):
        check_out_file("--out", source, [stream.fileno()])
    for path in (Path("b.wav"), Path("/dev/null")):
        check_out_file("--out", path, [source, "/dev/null", "b.wav"])
    with pytest.raises(InputError, match="is a folder"):
        check_out_file("--out", Path("."))
    with pytest.raises(InputError, match="is empty"):
        out_path("")


def test_a_model_folder_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in MODEL_FILES:
        (tmp_path / "model" / name).touch()
    (tmp_path / "alias").symlink_to("model")
    (tmp_path / "answers").symlink_to("model/model.json")
    for name in ("model/model.json", "model/new.csv", "alias/deep/new.csv", "answers"):
        with pytest.raises(InputError, match="lies in the model folder"):
            check_out_file("--out", tmp_path / name)
    check_out_place("--out", tmp_path / "model")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("circle", "circle/new", "a" * 256):
        with pytest.raises(OSError, match=r"symbolic links|too long"):
            check_out_place("--out", tmp_path / name)


def test_links_are_followed_and_pipes_and_devices_written_to(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/away")
    (tmp_path / "chain").symlink_to("link")
    for text in ("first", "second"):
        write_text(tmp_path / "chain", text)
        assert (tmp_path / "far/away").read_text() == text and (tmp_path / "link").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_text(tmp_path / "pipe", "through a pipe")
    reader.join()
    assert read == ["through a pipe"] and (tmp_path / "pipe").is_fifo()
    before = os.stat("/dev/null")
    write_text("/dev/null", "nothing")
    assert os.stat("/dev/null").st_ino == before.st_ino
    with open(tmp_path / "open", "w+") as file:
        write_text(f"/dev/fd/{file.fileno()}", "by its number")
        assert file.read() == "by its number"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chain", "far", "link", "open", "pipe"]


def test_a_folder_is_refused_before_anything_is_written_and_a_long_name_is_none_too_long(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), atomic_path(tmp_path):
        pytest.fail("nothing can be written there")
    for name in ("a" * 255, "語" * 80 + ".jsonl"):
        write_text(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"
    with pytest.raises(OSError, match="too long"):
        write_text(tmp_path / ("a" * 256), "x")


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("report_scores", "--scores X --exp-dir . --out X"),
        ("report_scores", "--scores X --exp-dir . --out report.md --results X"),
        ("score_predictions", "--conf c.yaml --cuts X --folds-dir . --exp-dir . --out X"),
        (
            "score_predictions",
            "--conf c.yaml --cuts c --folds-dir . --exp-dir E --out E/fold_1/seed_0/predictions.jsonl",
        ),
        ("compare_published", "--scores casia:loso=X --out X"),
        ("compute_features", "--conf c.yaml --cuts X --out X --storage s"),
        ("prepare_manifests", "--conf c.yaml --corpus-json X --out X"),
        ("prepare_corpus", "--conf C --audio-table C"),
    ],
)
def test_every_script_refuses_to_write_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, arguments: str
) -> None:
    for name in ("X", "E/fold_1/seed_0/predictions.jsonl"):
        write_text(tmp_path / name, "{}")
    write_text(tmp_path / "C", (ROOT / "egs/ravdess/conf/default.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [script, *arguments.split()])
    with pytest.raises(InputError, match="is read by the same command"):
        runpy.run_path(str(ROOT / "local" / f"{script}.py"))["main"]()
    assert (tmp_path / "X").read_text() == "{}"


TRAINED = "--conf c.yaml --cuts c --folds-dir f --lang-dir l --exp-dir"


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("local/prepare_folds", "--conf c.yaml --cuts c --corpus-json j --out-dir"),
        ("local/prepare_lang", "--conf c.yaml --cuts c --lang-dir"),
        ("local/train_model", TRAINED),
        ("local/decode_model", TRAINED),
        ("local/export_shar", "--cuts c --out"),
        ("tools/synth_corpus", "--out"),
        ("tools/convert_encoder", "c"),
    ],
)
def test_no_script_writes_into_a_model_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, arguments: str
) -> None:
    for name in MODEL_FILES:
        write_text(tmp_path / "model" / name, "x")
    write_text(tmp_path / "c.yaml", (ROOT / "egs/ravdess/conf/default.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [script, *arguments.split(), "model/new"])
    with pytest.raises(InputError, match="lies in the model folder"):
        runpy.run_path(str(ROOT / f"{script}.py"))["main"]()
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == sorted(MODEL_FILES)

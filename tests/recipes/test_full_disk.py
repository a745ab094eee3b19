"""A disk that is full: one sentence that names the file, nothing half written, and the next run goes on."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NoReturn

import pytest
import soundfile
import torch
from corpus_builders import speech_like
from exported_model import make_run
from lhotse import Recording
from small_disk import small_files

from seq.cli import main
from seq.conf import FeaturesConf
from seq.data.features import compute_and_store
from seq.runtime.folder import read_model_folder
from seq.synth.speech import write_wav
from seq.train.checkpoint import save_checkpoint
from seq.utils.script import run_main


def test_export_leaves_nothing_or_the_older_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = make_run(tmp_path)
    out = tmp_path / "模型 one"
    capsys.readouterr()

    def export() -> int:
        return main(["export", str(experiment.exp_dir), "--out", str(out)])

    for limit, name in ((10_000, "model.safetensors"), (100_000, "model.onnx")):
        with small_files(limit), pytest.raises(SystemExit) as ended:
            run_main(export)
        message = capsys.readouterr().err
        assert ended.value.code == 2 and message.startswith("error: ") and name in message
        assert len(message.splitlines()) == 1 and not out.exists()
    # What a killed export leaves is no reason to refuse the next one.
    (out / ".1.tmp").mkdir(parents=True)
    assert export() == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert set(before) == {"README.md", "model.json", "model.onnx", "model.safetensors"}
    with small_files(10_000), pytest.raises(SystemExit):
        run_main(export)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert read_model_folder(out)["tasks"]


def test_features_checkpoints_and_audio_name_their_place(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech_like(0.5, 16000, 1), 16000)
    cut = Recording.from_file(tmp_path / "a.wav").to_cut()
    state = {name: torch.zeros(1000) for name in ("model", "model_avg", "batch_idx_train", "spec", "conf")}
    with small_files(2000):
        with pytest.raises(OSError, match="No space left") as features:
            compute_and_store([cut], FeaturesConf(), tmp_path / "storage")
        with pytest.raises(OSError) as checkpoint:
            save_checkpoint(tmp_path / "run/epoch-1.pt", state)
        with pytest.raises(OSError) as audio:
            write_wav(tmp_path / "made/b.wav", speech_like(0.5, 16000, 1), 16000)
    for error, name in ((features, "storage"), (checkpoint, "run/epoch-1.pt"), (audio, "made/b.wav")):
        assert error.value.filename == str(tmp_path / name)
    assert not list((tmp_path / "run").iterdir()) and not list((tmp_path / "made").iterdir())
    # The half-written features are written anew.
    (stored,) = compute_and_store([cut], FeaturesConf(), tmp_path / "storage")
    assert stored.load_features().shape == (50, 80)
    save_checkpoint(tmp_path / "run/epoch-1.pt", state)
    assert torch.equal(torch.load(tmp_path / "run/epoch-1.pt", weights_only=True)["model"], state["model"])


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "x", "/a/b"), "no space left on the disk that holds /a/b: free some and run"),
        (OSError(errno.ENOSPC, "x"), "no space left on the disk that the output goes to: free some and run"),
        (OSError(errno.EDQUOT, "x", "/a/b"), "no space left on the disk that holds /a/b"),
    ],
)
def test_sentences(error: OSError, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> NoReturn:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_main(fail)
    assert ended.value.code == 2 and capsys.readouterr().err.startswith(f"error: {sentence}")

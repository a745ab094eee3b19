"""Stage 0: a good corpus is counted and opened; each kind of bad input is one sentence that names it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from corpus_builders import build_ravdess, ravdess_conf

from seq.conf import conf_to_dict
from seq.corpora.verify import prepare_corpus
from seq.errors import InputError
from seq.utils.files import read_json, read_jsonl

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_ravdess(tmp_path_factory.mktemp("ravdess") / "corpus")


@pytest.fixture
def corpus(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "corpus"))


def run_stage(corpus_dir: Path | str, tmp_path: Path, **kwargs: object) -> None:
    conf = kwargs.pop("conf", ravdess_conf())
    data = tmp_path / "data"
    prepare_corpus(conf, str(corpus_dir), data, data / "corpus.json", data / "audio.jsonl", **kwargs)


def test_a_good_corpus_is_described(corpus: Path, tmp_path: Path) -> None:
    run_stage(corpus.parent, tmp_path, workers=2)
    described = read_json(tmp_path / "data/corpus.json")
    assert described == {
        "corpus": "ravdess",
        "root": str(corpus),
        "num_files": 24,
        "num_silent": 0,
        "partial": False,
        "missing": None,
        "options": {},
        "copies": [],
    }
    rows = list(read_jsonl(tmp_path / "data/audio.jsonl"))
    assert rows[0]["path"] == "Actor_01/03-01-01-01-01-01-01.wav"
    assert [row["num_channels"] for row in rows[:3]] == [2, 1, 1]
    for row in rows:
        assert (row["sampling_rate"], row["num_samples"], row["silent"]) == (48000, round(1.7 * 48000), False)
        assert 0.37 <= row["start"] <= 0.43 and 1.37 <= row["end"] <= 1.43
    # The next run finds it again by itself.
    run_stage("", tmp_path)


def test_three_missing_files_are_told_by_speaker_and_emotion(corpus: Path, tmp_path: Path) -> None:
    for name in ("Actor_02/03-01-05-01-01-01-02", "Actor_02/03-01-05-02-01-01-02", "Actor_03/03-01-01-01-02-01-03"):
        (corpus / f"{name}.wav").unlink()
    with pytest.raises(InputError) as error:
        run_stage(corpus, tmp_path)
    for part in (
        "21 utterances",
        "speaker 02 has 4 of 6",
        "speaker 03 has 5 of 6",
        "angry has 14 of 16",
        "--allow-part",
    ):
        assert part in str(error.value)
    assert not (tmp_path / "data").exists()
    run_stage(corpus, tmp_path, allow_partial=True)
    assert read_json(tmp_path / "data/corpus.json")["partial"] is True


def test_all_bad_files_are_named_at_once(corpus: Path, tmp_path: Path) -> None:
    wavs = sorted((corpus / "Actor_01").iterdir())
    wavs[0].write_bytes(wavs[0].read_bytes()[:-1000])
    wavs[1].write_text("not audio")
    wavs[2].write_bytes(b"")
    soundfile.write(wavs[3], np.full(48000, np.nan), 48000, subtype="FLOAT")
    with pytest.raises(InputError) as error:
        run_stage(corpus, tmp_path, workers=2)
    message = str(error.value)
    assert "4 of 24 audio files are bad" in message
    for wav, what in zip(wavs, ("truncated", "is not audio", "is empty", "NaN"), strict=False):
        assert (
            f"{wav} {what}" in message
            or f"{wav} has samples that are {what}" in message
            or f"{wav} is {what}" in message
        )


def test_more_than_five_bad_files_are_counted(corpus: Path, tmp_path: Path) -> None:
    for wav in (corpus / "Actor_04").iterdir():
        wav.write_bytes(b"")
    with pytest.raises(InputError, match=r"6 of 24 audio files are bad.*and 1 more"):
        run_stage(corpus, tmp_path)


def test_a_duplicate_id_is_named(corpus: Path, tmp_path: Path) -> None:
    soundfile.write(corpus / "Actor_02" / "03-01-01-01-01-01-01.flac", np.ones(16000) / 2, 16000)
    with pytest.raises(InputError, match=r"03-01-01-01-01-01-01 twice.*Actor_02"):
        run_stage(corpus, tmp_path)


def test_too_many_utterances_are_an_error_even_when_partial_is_allowed(corpus: Path, tmp_path: Path) -> None:
    shutil.copy(corpus / "Actor_01/03-01-01-01-01-01-01.wav", corpus / "Actor_01/03-01-01-01-01-02-01.wav")
    with pytest.raises(InputError, match="neutral has 9 of 8"):
        run_stage(corpus, tmp_path, allow_partial=True)


def test_silent_recordings_are_kept_counted_and_warned_of(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(corpus / "Actor_01/03-01-01-01-01-01-01.wav", np.zeros(48000), 48000)
    run_stage(corpus, tmp_path)
    assert read_json(tmp_path / "data/corpus.json")["num_silent"] == 1
    assert "1 silent recordings are kept: Actor_01/03-01-01-01-01-01-01.wav" in capsys.readouterr().err


def test_copies_are_found_by_their_samples(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original = corpus / "Actor_01/03-01-05-01-01-01-01.wav"
    samples, rate = soundfile.read(original, dtype="int16")
    # Another format, another file: the same recording. Silence is not.
    (corpus / "Actor_02/03-01-05-01-01-01-02.wav").unlink()
    soundfile.write(corpus / "Actor_02/03-01-05-01-01-01-02.flac", samples, rate)
    shutil.copy(original, corpus / "Actor_03/03-01-05-01-01-01-03.wav")
    for actor in (3, 4):
        soundfile.write(corpus / f"Actor_{actor:02d}/03-01-05-02-01-01-{actor:02d}.wav", np.zeros(48000), 48000)
    run_stage(corpus, tmp_path)
    group = [f"03-01-05-01-01-01-{actor:02d}" for actor in (1, 2, 3)]
    assert read_json(tmp_path / "data/corpus.json")["copies"] == [group]
    said = f"warning: ravdess: 2 utterances are copies of others, sample for sample, such as {group[1]} of {group[0]};"
    assert said in capsys.readouterr().err


def test_wrong_folders(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--corpus-dir .*nowhere is not a folder"):
        run_stage(tmp_path / "nowhere", tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="has no folders Actor_01"):
        run_stage(tmp_path / "other", tmp_path)


def test_another_corpus_is_recognised(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("seq.corpora.casia", reason="there is no second reader")
    conf = ravdess_conf()
    with pytest.raises(InputError, match="looks like ravdess"):
        run_stage(corpus, tmp_path, conf=replace(conf, corpus=replace(conf.corpus, name="casia", reader="casia")))


def test_an_unmapped_label_is_named(corpus: Path, tmp_path: Path) -> None:
    conf = ravdess_conf()
    conf.corpus.emotions = [item for item in conf.corpus.emotions if item.raw != "05"]
    with pytest.raises(InputError, match="03-01-05-01-01-01-01 has the emotion '05'"):
        run_stage(corpus, tmp_path, conf=conf)


def test_script_ends_with_code_2_and_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "conf.yaml").write_text(yaml.safe_dump(conf_to_dict(ravdess_conf())))
    command = [sys.executable, ROOT / "local/prepare_corpus.py", "--conf", tmp_path / "conf.yaml"]
    for arguments, what in ((["--corpus-dir", tmp_path / "x"], "is not a folder"), (["--transcripts", "x"], "unrecog")):
        done = subprocess.run(
            [*command, *arguments], env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert what in done.stderr and "Traceback" not in done.stderr


def test_opening_audio_needs_neither_torch_nor_lhotse() -> None:
    code = "import sys, seq.corpora.verify; print([m for m in ('torch', 'lhotse', 'k2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr

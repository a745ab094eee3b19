"""Stage 1: cuts say exactly what the corpus says, at 16 kHz, on the trimmed part; audio is not opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpus_builders import build_ravdess, ravdess_conf, run_stages
from lhotse import CutSet
from lhotse.qa import validate

from seq.audio.reading import load_cut_audio, read_audio
from seq.corpora.base import Utterance
from seq.data.manifests import make_cut, prepare_manifests
from seq.data.whole_recording import SEGMENT
from seq.errors import InputError
from seq.utils.files import read_jsonl


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("manifests")
    corpus = build_ravdess(folder / "corpus")
    return corpus, run_stages(corpus, folder / "data", ravdess_conf())


def test_cuts_are_valid_and_carry_every_label(prepared: tuple[Path, Path]) -> None:
    corpus, out = prepared
    cuts = CutSet.from_file(out).to_eager()
    validate(cuts, read_data=False)
    assert len(cuts) == 24
    cut = cuts["03-01-05-02-02-01-02"]
    (supervision,) = cut.supervisions
    assert (supervision.id, supervision.start, supervision.duration) == (cut.id, 0.0, cut.duration)
    assert (supervision.speaker, supervision.gender, supervision.language) == ("02", "F", "en")
    assert supervision.text == "Dogs are sitting by the door"
    assert supervision.custom == {
        "emotion": "angry",
        "intensity": 1.0,
        "raw_emotion": "05",
        "raw_intensity": "02",
        "sentence": "02",
    }
    assert cuts["03-01-01-01-01-01-01"].supervisions[0].custom["intensity"] == 0.0
    assert cut.recording.sources[0].source == str(corpus / "Actor_02/03-01-05-02-02-01-02.wav")


def test_our_loader_reads_what_the_cut_says_and_lhotse_agrees(prepared: tuple[Path, Path]) -> None:
    cuts = CutSet.from_file(prepared[1]).to_eager()
    for cut_id, is_stereo in (("03-01-01-01-01-01-01", True), ("03-01-05-01-01-01-01", False)):
        cut = cuts[cut_id]
        assert cut.sampling_rate == 16000
        assert cut.start == pytest.approx(0.4, abs=0.03) and cut.end == pytest.approx(1.4, abs=0.03)
        samples = load_cut_audio(cut)
        assert samples.shape == (cut.num_samples,)
        whole = read_audio(cut.recording.sources[0].source)
        first = round(cut.start * 16000)
        # The ends differ by what the resampling filter sees beyond them, here near-silence.
        np.testing.assert_allclose(samples, whole[first : first + len(samples)], atol=2e-4)
        if not is_stereo:
            np.testing.assert_allclose(samples[200:-200], cut.load_audio()[0][200:-200], atol=0.01)


def test_no_trim_keeps_whole_files(tmp_path: Path) -> None:
    conf = ravdess_conf(num_actors=1)
    conf.features.trim = False
    out = run_stages(build_ravdess(tmp_path / "corpus", actors=(1,)), tmp_path / "data", conf)
    assert [(row["start"], row["duration"]) for row in read_jsonl(out)] == [(0.0, 1.7)] * 6


@pytest.mark.parametrize(("rate", "num_samples"), [(48000, 100001), (44100, 100001), (22050, 33333), (8000, 12345)])
def test_rounding_never_leaves_the_recording(rate: int, num_samples: int) -> None:
    utterance = Utterance("u", Path("/u.wav"), "s", None, "en", None, None)
    row = {
        "sampling_rate": rate,
        "num_channels": 1,
        "num_samples": num_samples,
        "start": 0.1,
        "end": num_samples / rate,
    }
    cut = make_cut(utterance, row, {})
    validate(cut)
    assert cut.num_samples == round(cut.duration * 16000) <= cut.recording.num_samples - 1600
    assert SEGMENT not in cut.supervisions[0].custom
    segment = Utterance("u", Path("/u.wav"), "s", None, "en", None, None, start=0.2, duration=0.5)
    cut = make_cut(segment, row, {})
    validate(cut)
    assert (cut.start, cut.duration, cut.num_samples) == (0.2, 0.5, 8000)
    assert cut.supervisions[0].custom[SEGMENT] is True


def test_a_corpus_that_changed_after_stage_0_is_noticed(tmp_path: Path) -> None:
    corpus, data, conf = build_ravdess(tmp_path / "corpus", actors=(1,)), tmp_path / "data", ravdess_conf(num_actors=1)
    out = run_stages(corpus, data, conf)
    before = out.read_bytes()
    wav = corpus / "Actor_01/03-01-05-01-01-01-01.wav"
    wav.rename(wav.with_name("03-01-05-01-01-09-01.wav"))
    with pytest.raises(InputError, match=r"03-01-05-01-01-09-01.*stage 0"):
        prepare_manifests(conf, data / "corpus.json", data / "audio.jsonl", out)
    wav.with_name("03-01-05-01-01-09-01.wav").unlink()
    with pytest.raises(InputError, match="5 utterances"):
        prepare_manifests(conf, data / "corpus.json", data / "audio.jsonl", out)
    assert out.read_bytes() == before and [path.name for path in out.parent.iterdir()] == [out.name]

"""Stage 2 of a pretrained encoder: what it keeps is what the encoder hears, made once and never of something else."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from corpus_builders import build_ravdess, ravdess_conf, run_stages
from lhotse import CutSet
from tiny_encoders import DIM, NUM_LAYERS, encoder_conf, save_encoder

from seq.audio.reading import SAMPLING_RATE, load_cut_audio, read_audio
from seq.audio.trimming import trim_silence
from seq.conf import AugmentConf, Conf
from seq.data.augment import change_speed
from seq.data.batches import SpeechDataset
from seq.data.degrade import degrade
from seq.data.encoded import cached_speeds, copy_names, load_heard
from seq.data.epoch import Epoch
from seq.data.voices import draw_voices
from seq.errors import InputError
from seq.models.pretrained import cache
from seq.models.pretrained.cache import frozen_encoder, hear, prepare_encoded
from seq.models.pretrained.spec import read_encoder_json

pytest.importorskip("transformers")

NUM_CUTS = 6


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoder") / "whisper")


@pytest.fixture(scope="module")
def cuts_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    return run_stages(build_ravdess(folder / "corpus", actors=(1,)), folder / "data", ravdess_conf(num_actors=1))


def conf_of(encoder: Path, speeds: tuple[float, ...] = (1.0,), trained_layers: int = 0) -> Conf:
    conf = ravdess_conf(num_actors=1)
    conf.model.front_end = "pretrained"
    conf.model.pretrained = encoder_conf(encoder, trained_layers=trained_layers)
    off = {"tempo": 0.0, "frequency_warp": 0.0, "gain_db": 0.0, "speed_prob": 0.0}
    conf.augment = AugmentConf(time_masks=0, frequency_masks=0, speeds=list(speeds), **off)
    return conf


class Stage2:
    """Stage 2 in a folder, and how many utterances were heard in its last run."""

    def __init__(self, folder: Path, cuts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cuts, self.out, self.storage = cuts, folder / "cuts.jsonl.gz", folder / "storage"
        self.num_heard = 0
        monkeypatch.setattr(cache, "hear", self._hear)

    def _hear(self, *args: object) -> object:
        self.num_heard += 1
        return hear(*args)  # type: ignore[arg-type]

    def run(self, conf: Conf, num_jobs: int = 1) -> list[str]:
        """Run it; returns which arrays are new, by their files."""
        before, self.num_heard = self.times(), 0
        prepare_encoded(conf, self.cuts, self.out, self.storage, num_jobs)
        return sorted(name for name, time in self.times().items() if before.get(name) != time)

    def times(self) -> dict[str, int]:
        """When each array was written."""
        return {str(path.relative_to(self.storage)): path.stat().st_mtime_ns for path in self._arrays()}

    def contents(self) -> dict[str, bytes]:
        """Of each array; and the manifest, in which the storage has a name."""
        found = {str(path.relative_to(self.storage)): path.read_bytes() for path in self._arrays()}
        return found | {"cuts": gzip.decompress(self.out.read_bytes()).replace(str(self.storage).encode(), b"storage")}

    def _arrays(self) -> Iterator[Path]:
        return self.storage.rglob("*.npy")


@pytest.fixture
def stage(tmp_path: Path, cuts_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage2:
    return Stage2(tmp_path / "one", cuts_path, monkeypatch)


def test_copies_are_heard_beside_speeds_and_made_once(
    stage: Stage2, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = conf_of(encoder, (0.9, 1.0))
    stage.run(conf)
    plain = gzip.decompress(stage.out.read_bytes())
    conf.augment.copies, conf.augment.noise_prob, conf.augment.band_prob = 2, 0.7, 0.5
    capsys.readouterr()
    new = stage.run(conf)
    names = copy_names(conf.augment)
    kinds = {f"{what}_{name}" for what in ("frames", "statistics") for name in names}
    assert {name.split("/")[0] for name in new} == kinds
    assert stage.num_heard == 2 * NUM_CUTS
    assert "at the speeds 0.9, 1 and as 2 copies take about" in capsys.readouterr().out
    frozen = frozen_encoder(conf.model.pretrained)
    after, before = list(CutSet.from_file(stage.out)), list(CutSet.from_file(stage.cuts))
    different = 0
    for cut, source in zip(after, before, strict=True):
        rng = random.Random(f"{names[1]}/{cut.id}")
        # The recording, as nobody has trimmed it yet.
        samples = read_audio(source.recording.sources[0].source)
        samples = change_speed(samples, SAMPLING_RATE, rng.choice([0.9, 1.0]))
        samples = degrade(samples, conf.augment, rng, draw_voices(stage.cuts, source, rng))
        start, end = (round(edge * SAMPLING_RATE) for edge in trim_silence(samples, SAMPLING_RATE))
        heard = hear(frozen, samples[start:end])
        found = load_heard(cut, names[1])
        np.testing.assert_array_equal(found.statistics, heard.statistics)
        others = [load_heard(cut, variant).statistics for variant in (0.9, 1.0, names[0])]
        different += not any(torch.equal(found.statistics, other) for other in others)
    assert different > NUM_CUTS // 2
    # Training reads one of them for every utterance, and no waveform.
    labeller, drawn = SimpleNamespace(encode=lambda cuts: {}), set()
    for number in range(8):
        dataset = SpeechDataset(labeller, conf.features, conf.augment, epoch=Epoch(0, number), reads="frames")  # type: ignore[arg-type]
        batch = dataset[CutSet.from_cuts(after)]
        assert batch.statistics is not None
        for cut, statistics in zip(after, batch.statistics, strict=True):
            variants = [v for v in (0.9, 1.0, *names) if torch.equal(load_heard(cut, v).statistics, statistics)]
            assert variants
            drawn.add(variants[0])
    assert drawn == {0.9, 1.0, *names}
    # Nothing is heard again; other copies are; without any, the manifest is what it was.
    assert stage.run(conf) == []
    conf.augment.noise_prob = 0.8
    stage.run(conf)
    assert stage.num_heard == 2 * NUM_CUTS
    assert stage.run(conf_of(encoder, (0.9, 1.0))) == [] and gzip.decompress(stage.out.read_bytes()) == plain


def test_voices_are_of_the_speaker_and_never_the_utterance(cuts_path: Path) -> None:
    cuts = list(CutSet.from_file(cuts_path))
    cut = cuts[0]
    voices = draw_voices(cuts_path, cut, random.Random(1))
    assert 1 <= len(voices) <= 5
    own = [c for c in cuts if c.supervisions[0].speaker == cut.supervisions[0].speaker and c.id != cut.id]
    low, high = min(c.duration for c in own) / 1.25, max(c.duration for c in own) / 0.8
    assert all(low - 0.01 <= len(voice) / SAMPLING_RATE <= high + 0.01 for voice in voices)


@pytest.mark.parametrize("trained_layers", [0, 2])
def test_what_is_kept_is_what_the_encoder_hears(stage: Stage2, encoder: Path, trained_layers: int) -> None:
    conf = conf_of(encoder, (0.9, 1.1), trained_layers)
    stage.run(conf)
    # What the first layer reads, what each frozen one gives, and, where none is trained, the norm after the last.
    num_layers = NUM_LAYERS + 2 if trained_layers == 0 else NUM_LAYERS - trained_layers + 1
    spec = read_encoder_json(stage.out)
    assert (spec.num_frozen, spec.num_upper, spec.dim) == (num_layers, NUM_LAYERS + 2 - num_layers, DIM)
    frozen = frozen_encoder(conf.model.pretrained)
    before = list(CutSet.from_file(stage.cuts))
    after = list(CutSet.from_file(stage.out))
    assert [cut.id for cut in after] == [cut.id for cut in before] and len(after) == NUM_CUTS
    for cut, plain in zip(after, before, strict=True):
        # 1 is what valid and test are heard at.
        names = {f"{what}_{speed}" for what in ("frames", "statistics") for speed in ("0.9", "1", "1.1")}
        assert cut.custom.keys() - (plain.custom or {}).keys() == names
        for speed in (0.9, 1.0, 1.1):
            samples = change_speed(load_cut_audio(plain), SAMPLING_RATE, speed)
            expected = hear(frozen, samples)
            frames, statistics = (cut.load_custom(f"{what}_{speed:g}") for what in ("frames", "statistics"))
            assert (frames.shape, frames.dtype) == ((-(-len(samples) // 320), DIM), np.float16)
            assert (statistics.shape, statistics.dtype) == ((num_layers, 2 * DIM), np.float32)
            np.testing.assert_array_equal(frames, expected.feature.numpy().astype(np.float16))
            np.testing.assert_array_equal(statistics, expected.statistics)
            heard = load_heard(cut, speed)
            assert heard.feature.dtype == heard.statistics.dtype == expected.feature.dtype
    with pytest.raises(InputError, match=r"cut \S+ has no frames_0\.95: run stage 2"):
        load_heard(after[0], 0.95)
    shutil.rmtree(stage.storage / "frames_1")
    with pytest.raises(InputError, match=r"frames_1 of cut \S+ cannot be read: run stage 2"):
        load_heard(after[0])


def test_statistics_are_mean_and_deviation_of_every_hidden_state(stage: Stage2, encoder: Path) -> None:
    stage.run(conf_of(encoder))
    cut = next(iter(CutSet.from_file(stage.out)))
    frames, statistics = cut.load_custom("frames_1").astype(np.float64), cut.load_custom("statistics_1")
    # The last hidden state is the one that is kept as frames, in half precision.
    expected = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    np.testing.assert_allclose(statistics[-1], expected, atol=1e-3)


@pytest.mark.parametrize("num_written", [0, 5, 4 * NUM_CUTS - 1])
def test_a_run_that_was_killed_goes_on(
    stage: Stage2, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_written: int
) -> None:
    conf, store, stored = conf_of(encoder, (1.0, 1.1)), cache._store, []

    def stop(*args: object) -> object:
        if len(stored) == num_written:
            raise KeyboardInterrupt
        stored.append(args)
        return store(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_store", stop)
        with pytest.raises(KeyboardInterrupt):
            stage.run(conf)
    assert len(stage.times()) == num_written and not stage.out.exists()
    # What a killed process left half written is written again.
    if num_written:
        (stage.storage / min(stage.times())).write_bytes(b"\x93NUMPY")
    stage.run(conf)
    torn = num_written > 0
    assert 2 * NUM_CUTS - num_written // 2 <= stage.num_heard <= 2 * NUM_CUTS - num_written // 2 + torn
    straight = Stage2(tmp_path / "straight", stage.cuts, monkeypatch)
    straight.run(conf)
    assert stage.contents() == straight.contents()


def test_another_speed_leaves_what_is_there(stage: Stage2, encoder: Path) -> None:
    assert len(stage.run(conf_of(encoder))) == 2 * NUM_CUTS
    new = stage.run(conf_of(encoder, (0.9, 1.0)))
    assert len(new) == 2 * NUM_CUTS and all(name.split("/")[0].endswith("_0.9") for name in new)
    assert stage.num_heard == NUM_CUTS
    assert stage.run(conf_of(encoder, (0.9, 1.0))) == [] and stage.num_heard == 0


def test_other_encoders_and_other_cuts_empty_the_storage(stage: Stage2, encoder: Path, tmp_path: Path) -> None:
    stage.run(conf_of(encoder, (1.0, 1.1)))
    first = stage.contents()
    # What is made anew has one speed, so that nothing of the first run may be left.
    assert len(stage.run(conf_of(save_encoder(tmp_path / "whisper", seed=1)))) == 2 * NUM_CUTS == len(stage.times())
    assert stage.contents()["cuts"] != first["cuts"]
    stage.run(conf_of(encoder, (1.0, 1.1), trained_layers=1))
    assert len(stage.run(conf_of(encoder))) == 2 * NUM_CUTS == len(stage.times())
    fewer = tmp_path / "fewer.jsonl.gz"
    CutSet.from_file(stage.cuts).subset(first=2).to_file(fewer)
    stage.cuts = fewer
    assert len(stage.run(conf_of(encoder))) == 4 == len(stage.times())
    # The same cuts, written again, are the same.
    CutSet.from_file(fewer).to_file(tmp_path / "same.jsonl.gz")
    stage.cuts = tmp_path / "same.jsonl.gz"
    assert stage.run(conf_of(encoder)) == []


def test_a_disk_that_is_too_small_is_said_before_any_work(
    stage: Stage2, encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = conf_of(encoder, (0.9, 1.0, 1.1))
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=50_000))
    with pytest.raises(InputError, match=r"has room for 0 MB: free some, list fewer augment\.speeds") as error:
        stage.run(conf)
    assert str(stage.storage) in str(error.value) and stage.num_heard == 0 and stage.times() == {}
    assert f"{NUM_CUTS} utterances at the speeds 0.9, 1, 1.1 take about" in capsys.readouterr().out
    # What is there already needs no room.
    monkeypatch.undo()
    stage.run(conf)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    assert stage.run(conf) == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("tempo", 0.2, r"augment\.tempo changes filter banks, .*set it to 0"),
        ("time_masks", 2, r"augment\.time_masks changes filter banks"),
        ("speed_prob", 0.5, r"augment\.speed_prob changes waveforms, .*augment\.speeds, or set .*on_the_fly=true"),
        ("noise_prob", 0.5, r"augment\.noise_prob changes waveforms"),
    ],
)  # fmt: skip
def test_augmentation_that_a_cached_encoder_cannot_have_is_refused(
    stage: Stage2, encoder: Path, key: str, value: object, said: str
) -> None:
    conf = conf_of(encoder)
    setattr(conf.augment, key, value)
    with pytest.raises(InputError, match=said):
        stage.run(conf)
    assert not stage.storage.exists()


def test_on_the_fly_keeps_what_valid_and_test_are_heard_at(encoder: Path) -> None:
    conf = conf_of(encoder, (0.9, 1.1))
    assert cached_speeds(conf) == [0.9, 1.0, 1.1]
    conf.augment.on_the_fly, conf.augment.speed_prob, conf.augment.noise_prob = True, 1.0, 0.5
    assert cached_speeds(conf) == [1.0]


def test_processes_side_by_side_write_the_same(
    stage: Stage2, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seq.data.cut_jobs.CHUNK_SIZE", 2)
    conf = conf_of(encoder, (0.9, 1.0))
    stage.run(conf)
    two = Stage2(tmp_path / "two", stage.cuts, monkeypatch)
    two.run(conf, num_jobs=2)
    assert two.contents() == stage.contents() and two.num_heard == 0

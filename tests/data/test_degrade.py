"""Training outside the studio: what is drawn, that it is drawn the same, and what is never drawn."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_builders import speech_like

from seq.audio.channels import narrow_band, telephone
from seq.audio.level import speech_level
from seq.conf import AugmentConf
from seq.data import degrade as module
from seq.data.augment import change_speed, needs_waveform
from seq.data.degrade import SLOPES, degrade, degrades
from seq.data.encoded import copy_names, draw_variant
from seq.errors import InputError

RATE = 16000
SPEECH = speech_like(0.8, RATE, seed=1)
OFF = {"speed_prob": 0.0, "room_prob": 0.0, "noise_prob": 0.0, "band_prob": 0.0}


def conf_with(**settings: object) -> AugmentConf:
    return AugmentConf(**{**OFF, **settings})  # type: ignore[arg-type]


def test_nothing_on_changes_nothing() -> None:
    assert degrade(SPEECH, conf_with(), random.Random(0)) is SPEECH
    assert not degrades(conf_with()) and not needs_waveform(conf_with())
    for key in ("room_prob", "noise_prob", "band_prob"):
        assert degrades(conf_with(**{key: 0.1})) and needs_waveform(conf_with(**{key: 0.1}))


def test_draws_are_those_of_the_source_of_chance() -> None:
    conf = conf_with(room_prob=0.5, noise_prob=0.5, band_prob=0.5)
    found = [degrade(SPEECH, conf, random.Random(i // 2)) for i in range(40)]
    for one, other in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == SPEECH.shape and one.dtype == np.float32
    # Of twenty, about one in eight is as it was.
    assert 1 <= sum(np.array_equal(one, SPEECH) for one in found[::2]) <= 8


def test_noise_is_at_the_ratios_that_are_asked_for() -> None:
    conf = conf_with(noise_prob=1.0, noise_snr_low=5.0, noise_snr_high=15.0)
    ratios = []
    for seed in range(40):
        added = degrade(SPEECH, conf, random.Random(seed), [speech_like(0.3, RATE, seed)]) - SPEECH
        ratios.append(speech_level(SPEECH) - 10 * np.log10(np.square(added).mean()))
    assert 4.9 < min(ratios) < 7 and 13 < max(ratios) < 15.1


def test_noise_is_of_the_utterance_at_its_changed_speed() -> None:
    pytest.importorskip("soxr")
    samples = np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE).astype(np.float32)
    noise_free = change_speed(samples, RATE, 1.05)
    out = degrade(noise_free, conf_with(noise_prob=1.0, noise_snr_low=20.0, noise_snr_high=20.0), random.Random(3))
    assert out.dtype == np.float32 and 14000 < len(out) < 18000 and len(out) != RATE
    power = np.square(out - noise_free).mean() / np.square(noise_free).mean()
    assert 10 * np.log10(power) == pytest.approx(-20.0, abs=0.5)


def test_pink_noise_is_left_to_the_test() -> None:
    assert all(not low - 0.2 < 1 < high + 0.2 for low, high in SLOPES)


def test_a_telephone_has_its_band_or_its_code_too(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [narrow_band(SPEECH), telephone(SPEECH)]
    found = [degrade(SPEECH, conf_with(band_prob=1.0), random.Random(seed)) for seed in range(20)]
    counts = Counter(next(i for i, e in enumerate(expected) if np.array_equal(e, one)) for one in found)
    assert min(counts[0], counts[1]) >= 4


def test_a_folder_of_noises_may_be_as_musan_has_it(tmp_path: Path) -> None:
    module.noise_files.cache_clear()
    for number, name in enumerate(("noise/free-sound/noise-free-sound-0000.wav", "music/fma/music-fma-0000.wav")):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        tone = np.sin(2 * np.pi * (500 + 1000 * number) * np.arange(3 * RATE) / RATE)
        soundfile.write(path, 0.1 * tone, RATE)
        (path.parent / "LICENSE").write_text("text")
    conf = conf_with(noise_prob=1.0, noise_dir=str(tmp_path), noise_snr_low=10.0, noise_snr_high=10.0)
    peaks = Counter()
    for seed in range(40):
        added = degrade(SPEECH, conf, random.Random(seed)) - SPEECH
        power = np.square(np.abs(np.fft.rfft(added)))
        strongest = int(power.argmax()) * RATE / len(added)
        if power[power >= power.max() / 100].sum() > 0.9 * power.sum():
            peaks[round(strongest, -2)] += 1
    # The others are synthetic.
    assert set(peaks) >= {500.0, 1500.0} and 10 <= peaks[500.0] + peaks[1500.0] <= 30
    with pytest.raises(InputError, match=r"augment\.noise_dir \S+ has no audio"):
        module.noise_files(str(tmp_path / "none"))


def test_copies_are_drawn_as_often_as_is_asked_for() -> None:
    conf = AugmentConf(copies=2, copy_prob=0.25, speeds=[0.9, 1.1], noise_prob=0.5)
    rng = random.Random(0)
    counts = Counter(draw_variant(conf, rng) for _ in range(4000))
    names = copy_names(conf)
    assert set(counts) == {0.9, 1.1, *names} and names[0].startswith("copy1.") and len(names) == 2
    assert [counts[name] / 4000 for name in names] == pytest.approx([0.125, 0.125], abs=0.02)
    # Others that are made in another way have other names; how often they are drawn makes no difference.
    assert copy_names(AugmentConf(**{**vars(conf), "copy_prob": 0.9})) == names
    assert not set(copy_names(AugmentConf(**{**vars(conf), "noise_prob": 0.6}))) & set(names)
    # Without copies, the draws are what they were.
    plain = AugmentConf(speeds=[0.9, 1.1])
    assert draw_variant(plain, random.Random(5)) == random.Random(5).choice([0.9, 1.1])

"""Audio is read exactly, resampled to 16 kHz, trimmed without cutting speech, and bad files are named."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_builders import real_ravdess, speech_like, spoken

from seq.audio.inspection import inspect_audio
from seq.audio.noise import add_noise, coloured_noise
from seq.audio.reading import read_audio
from seq.audio.trimming import is_silent, trim_silence
from seq.errors import InputError


def test_16khz_mono_is_read_bit_for_bit_and_in_parts(tmp_path: Path) -> None:
    samples = (speech_like(1.0, 16000, seed=1) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", samples, 16000)
    expected = samples.astype(np.float32) / 32768
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac"), expected)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac", 0.25, 0.5), expected[4000:12000])
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac", 0.9, 5.0), expected[14400:])


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_a_tone_and_its_length(tmp_path: Path, rate: int) -> None:
    t = np.arange(int(1.003 * rate)) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "tone.wav", np.stack([tone, 0 * tone], axis=1), rate, subtype="FLOAT")
    samples = read_audio(tmp_path / "tone.wav")
    assert samples.dtype == np.float32
    assert len(samples) == int(len(t) * 16000 / rate + 0.5)
    expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(len(samples)) / 16000)
    np.testing.assert_allclose(samples[800:-800], expected[800:-800], atol=1e-3)


def _write_good(path: Path) -> bytes:
    soundfile.write(path, spoken(0.6, 16000, seed=3), 16000, subtype="PCM_16")
    return path.read_bytes()


def _truncate(path: Path) -> None:
    path.write_bytes(_write_good(path)[:-5000])


def _write_nan(path: Path) -> None:
    samples = speech_like(0.5, 16000, seed=4)
    samples[100] = np.nan
    soundfile.write(path, samples, 16000, format="WAV", subtype="FLOAT")


def _write_half(path: Path) -> None:
    soundfile.write(path, speech_like(3.0, 16000, seed=5), 16000, format="OGG", subtype=path.stem.upper())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _write_half_other(path: Path) -> None:
    soundfile.write(path, speech_like(1.0, 16000, seed=5), 16000, subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _write_integers(path: Path) -> None:
    soundfile.write(path, 32768 * speech_like(0.5, 16000, seed=4), 16000, subtype="FLOAT")


def _write_out_of_phase(path: Path) -> None:
    samples = speech_like(0.5, 16000, seed=4)
    soundfile.write(path, np.stack([samples, -samples], axis=1), 16000)


def _write_rate(path: Path, rate: int) -> None:
    """A header that says another rate than 16 kHz."""
    content = bytearray(_write_good(path))
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)


def _write_length(path: Path, num_samples: int) -> None:
    """A FLAC header that says how many samples there are; 0 is unknown."""
    soundfile.write(path, spoken(0.6, 16000, seed=3), 16000, format="FLAC")
    content = bytearray(path.read_bytes())
    # The last 36 of these 64 bits.
    settings = int.from_bytes(content[18:26], "big") >> 36
    content[18:26] = (settings << 36 | num_samples).to_bytes(8, "big")
    path.write_bytes(content)


BAD_FILES = {
    "truncated.wav": (_truncate, "truncated"),
    "truncated.flac": (_truncate, "truncated"),
    "text.wav": (lambda path: path.write_text("Kids are talking by the door"), "is not audio"),
    "empty.wav": (lambda path: path.write_bytes(b""), "is empty"),
    "header_only.wav": (lambda path: soundfile.write(path, np.zeros(0), 16000), "has no samples"),
    "short.wav": (lambda path: soundfile.write(path, np.ones(300) / 2, 16000), "less than one frame"),
    "nan.wav": (_write_nan, "NaN or infinite"),
    "folder.wav": (lambda path: path.mkdir(), "is not a file"),
    "missing.wav": (lambda path: None, "does not exist"),
    "vorbis.ogg": (_write_half, "is truncated"),
    "opus.ogg": (_write_half, "is truncated"),
    "half.aiff": (_write_half_other, "is truncated"),
    "half.au": (_write_half_other, "is truncated"),
    "half.w64": (_write_half_other, "is truncated"),
    "half.caf": (_write_half_other, "is truncated"),
    "integers.wav": (_write_integers, r"samples as large as \de\+0\d, where audio reaches 1: integers are divided"),
    "phase.wav": (_write_out_of_phase, "channels that cancel each other"),
    "slow.wav": (lambda path: _write_rate(path, 1), "says that it has 1 samples a second"),
    "fast.wav": (lambda path: _write_rate(path, 2_000_000), "says that it has 2000000 samples a second"),
    "huge.flac": (lambda path: _write_length(path, 2**36 - 1), r"says that it is 1\.19e\+03 hours long, which"),
    "unknown.flac": (lambda path: _write_length(path, 0), "does not say how long it is"),
    "circle.wav": (lambda path: path.symlink_to(path), "is a symbolic link in a circle"),
    "pipe.wav": (os.mkfifo, "but a pipe or a device"),
    "device.wav": (lambda path: path.symlink_to("/dev/zero"), "but a pipe or a device"),
    f"{'a' * 300}.wav": (lambda path: None, "File name too long"),
    "null\0.wav": (lambda path: None, "is no name of a file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    spoil, what = BAD_FILES[name]
    spoil(tmp_path / name)
    with pytest.raises(InputError, match=what) as error:
        inspect_audio(tmp_path / name, trim=True)
    assert str(tmp_path / name) in str(error.value)


def test_what_looks_bad_and_is_not(tmp_path: Path) -> None:
    samples = speech_like(1.0, 16000, seed=6)
    soundfile.write(tmp_path / "loud.wav", 20 * samples / np.abs(samples).max() * 0.7, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "one.wav", np.stack([samples, 0 * samples, -0.9 * samples], axis=1), 16000)
    soundfile.write(tmp_path / "flat.flac", np.zeros(60 * 16000), 16000)
    soundfile.write(tmp_path / "slow.wav", samples[:4000], 1000)
    for name, silent in (("loud.wav", False), ("one.wav", False), ("flat.flac", True), ("slow.wav", False)):
        assert inspect_audio(tmp_path / name, trim=True)["silent"] is silent
    undecodable = tmp_path / os.fsdecode(b"\xff\xfe.wav")
    soundfile.write(os.fsencode(undecodable), samples, 16000)
    assert len(read_audio(undecodable)) == 16000


def test_parts_of_a_file_may_be_nonsense(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech_like(1.0, 16000, seed=6), 16000)
    assert len(read_audio(tmp_path / "a.wav", 0.5, 1e308)) == 8000
    for start, duration in ((1e308, None), (-1e18, 1.0), (np.inf, 1.0), (0.0, np.inf), (np.nan, None), (0.0, -1e18)):
        with pytest.raises(InputError, match=r"a\.wav"):
            read_audio(tmp_path / "a.wav", start, duration)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_memory_does_not_grow_with_the_file_and_the_rule_is_the_same(tmp_path: Path, rate: int) -> None:
    quiet, loud = 1e-5 * speech_like(7.0, rate, seed=1), speech_like(33.0, rate, seed=2)
    samples = np.concatenate([quiet, loud, loud, loud, quiet]) + 0.02
    soundfile.write(tmp_path / "long.wav", np.stack([samples, samples], axis=1), rate, subtype="FLOAT")
    whole = trim_silence(read_audio(tmp_path / "long.wav"), 16000)
    tracemalloc.start()
    row = inspect_audio(tmp_path / "long.wav", trim=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (row["start"], row["end"]) == tuple(round(edge, 6) for edge in whole) and 6.8 < row["start"] < 7.0
    assert (row["num_samples"], row["silent"]) == (len(samples), False)
    assert peak < 40e6 * rate / 16000


def test_wav_of_unknown_length_from_a_pipe_is_no_error(tmp_path: Path) -> None:
    data = bytearray(_write_good(tmp_path / "pipe.wav"))
    position = data.index(b"data") + 4
    data[position : position + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "pipe.wav").write_bytes(data)
    assert inspect_audio(tmp_path / "pipe.wav", trim=False)["num_samples"] == round(1.5 * 16000)


def test_silence_is_flagged_and_kept_whole(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    row = inspect_audio(tmp_path / "silent.wav", trim=True)
    assert row["silent"] and (row["start"], row["end"]) == (0.0, 1.0)


@pytest.mark.parametrize("rate", [16000, 48000])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_trim_finds_speech_whatever_its_level(rate: int, gain: float) -> None:
    start, end = trim_silence(gain * spoken(1.0, rate, seed=5, before=0.7, after=0.6), rate)
    # 0.1 s of margin, up to one frame of 25 ms
    assert 0.7 - 0.13 <= start <= 0.7 - 0.07
    assert 1.7 + 0.07 <= end <= 1.7 + 0.13


@pytest.mark.parametrize("snr_db", [20.0, 10.0])
def test_trim_finds_speech_in_steady_noise(snr_db: float) -> None:
    speech = spoken(1.0, 16000, seed=5, before=0.7, after=0.6)
    noise = coloured_noise(len(speech), "pink", np.random.default_rng(1))
    start, end = trim_silence(add_noise(speech, noise, snr_db), 16000)
    # With its margin, and without what noise hides of its edges.
    assert 0.5 < start < 0.85 and 1.55 < end < 1.9
    assert trim_silence(noise, 16000) == (0.0, len(noise) / 16000)


def test_trim_keeps_what_is_louder_than_noise_and_everything_where_little_would_remain() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000)
    noise[6000:10000] *= 10
    # Less and more by its margin and by frames that reach into it.
    assert trim_silence(noise, 16000) == pytest.approx((0.275, 0.725), abs=0.03)
    click = np.zeros(16000)
    click[8000] = 1.0
    assert trim_silence(click, 16000) == (0.0, 1.0)


@pytest.mark.skipif(real_ravdess() is None, reason="no RAVDESS: set SPEECHEQ_RAVDESS to its folder")
def test_trim_of_real_speech_takes_only_what_is_40_db_below_its_peak() -> None:
    folder = real_ravdess()
    assert folder is not None
    kept = []
    for path in sorted(folder.glob("Actor_*/*"))[::48]:
        samples = read_audio(path)
        start, end = (round(edge * 16000) for edge in trim_silence(samples, 16000))
        frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160].std(axis=1)
        outside = np.concatenate([frames[: start // 160 - 2], frames[end // 160 + 2 :]]) if start else frames[:0]
        assert len(outside) == 0 or outside.max() < 0.011 * frames.max()
        kept.append((end - start) / 16000)
    assert 1.9 < np.mean(kept) < 2.7


def test_is_silent_at_its_threshold() -> None:
    assert is_silent(np.full(10, 0.9e-4, np.float32)) and not is_silent(np.full(10, 1.1e-4, np.float32))

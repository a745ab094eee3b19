"""What libsndfile cannot read comes through PyAV as the sound that went in; what is wrong with such a file is named."""

from __future__ import annotations

import importlib.util
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_builders import speech_like, spoken
from other_audio import write_other

from seq.audio.inspection import inspect_audio
from seq.audio.opening import mono_blocks, open_audio
from seq.audio.reading import read_audio
from seq.audio.streams import stream_audio
from seq.errors import InputError

needs_av = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="no PyAV: pip install av")

# File -> rate, codec, and the codec of its pictures.
FORMATS = {
    "a.m4a": (44100, "aac", None),
    "a.aac": (48000, "aac", None),
    "a.wma": (44100, "wmav2", None),
    "a.webm": (48000, "libopus", None),
    "a.opus": (48000, "libopus", None),
    "talk.mp4": (44100, "aac", "mpeg4"),
    "talk.webm": (48000, "libopus", "libvpx"),
    "talk.mkv": (48000, "libmp3lame", "mpeg4"),
    "talk.avi": (44100, "libmp3lame", "mpeg4"),
}


def stereo(seconds: float, rate: int) -> np.ndarray:
    sound = spoken(seconds, rate, seed=3)
    return np.stack([sound, 0.5 * sound], axis=1)


def lag(first: np.ndarray, second: np.ndarray) -> int:
    """How many samples `second` comes later."""
    size = 2 * max(len(first), len(second))
    correlation = np.fft.irfft(np.fft.rfft(first, size).conj() * np.fft.rfft(second, size), size)
    best = int(correlation.argmax())
    return best if best < size // 2 else best - size


@needs_av
@pytest.mark.parametrize("name", FORMATS)
def test_the_sound_is_that_of_the_wav(tmp_path: Path, name: str) -> None:
    rate, codec, video = FORMATS[name]
    samples = stereo(2.0, rate)
    soundfile.write(tmp_path / "a.wav", samples, rate)
    path = write_other(tmp_path / name, samples, rate, codec, video)
    expected, found = read_audio(tmp_path / "a.wav"), read_audio(path)
    assert len(found) == pytest.approx(len(expected), abs=0.1 * 16000)
    later = lag(expected, found)
    # Raw AAC, ASF and AVI do not say what a codec has put before the sound.
    assert abs(later) < (0.1 if name in ("a.aac", "a.wma", "talk.avi") else 0.01) * 16000
    found, expected = found[max(later, 0) :], expected[max(-later, 0) :]
    both = min(len(found), len(expected))
    assert np.corrcoef(found[:both], expected[:both])[0, 1] > 0.98
    assert np.abs(found).max() == pytest.approx(np.abs(expected).max(), rel=0.2)


@needs_av
def test_what_is_coded_without_loss_is_exact_and_so_is_every_part(tmp_path: Path) -> None:
    samples = stereo(2.0, 44100)
    soundfile.write(tmp_path / "a.wav", samples, 44100)
    path = write_other(tmp_path / "a.m4a", soundfile.read(tmp_path / "a.wav")[0], 44100, "alac")
    for start, duration in ((0.0, None), (1.2345, 0.7), (2.5, 9.0)):
        expected = read_audio(tmp_path / "a.wav", start, duration)
        np.testing.assert_allclose(read_audio(path, start, duration), expected, atol=1.01 / 32768)
    assert inspect_audio(path, True)["num_samples"] == len(samples)
    with pytest.raises(InputError, match=r"a\.m4a is 2\.900 s long and has nothing at 3 s"):
        read_audio(path, 3.0)
    # Where time stamps say nothing exact, a part is that of the whole all the same.
    path = write_other(tmp_path / "a.webm", stereo(2.0, 48000), 48000, "libopus")
    with open_audio(path) as file:
        whole = np.concatenate(list(mono_blocks(file, path)))
        assert len(whole) == file.frames
    with open_audio(path) as file:
        np.testing.assert_array_equal(np.concatenate(list(mono_blocks(file, path, 1.3, 0.9))), whole[62400:105600])


@needs_av
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = write_other(tmp_path / "long.m4a", np.tile(speech_like(10.0, 16000, 1), 30)[:, None], 16000)
    tracemalloc.start()
    num_samples = sum(len(block) for block in stream_audio(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert num_samples == pytest.approx(300 * 16000, abs=2000) and peak < 10e6


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(path: Path, name: str) -> None:
    """Write the bad file that a name stands for."""
    sound = spoken(1.5, 44100, seed=1)[:, None]
    if name.startswith("half"):
        codec, video = ("libmp3lame", "mpeg4") if name == "half.avi" else ("aac", None)
        codec = {".webm": "libopus", ".wma": "wmav2"}.get(path.suffix, codec)
        rate = 48000 if codec == "libopus" else 44100
        write_other(path, sound, rate, codec, video, **({"movflags": "faststart"} if name == "half.mp4" else {}))
        halve(path)
    elif name == "silent film.mp4":
        write_other(path, sound[:0], 44100, video="mpeg4")
    elif name == "bought.m4a":
        key = "00112233445566778899aabbccddeeff"
        options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": key}
        write_other(path, sound, 44100, **options)
    elif name == "noise.m4a":
        path.write_bytes(bytes(4) + b"ftypM4A " + np.random.default_rng(1).bytes(20_000))
    elif name == "noise.aac":
        path.write_bytes(np.random.default_rng(2).bytes(20_000))
    elif name == "list.m4a":
        # What FFmpeg would take for a list of files to play, one after the other.
        soundfile.write(path.with_name("secret.wav"), sound, 44100)
        path.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{path.with_name('secret.wav')}\n#EXT-X-ENDLIST\n"
        )
    elif name == "concat.m4a":
        soundfile.write(path.with_name("secret.wav"), sound, 44100)
        path.write_text("ffconcat version 1.0\nfile secret.wav\n")


BAD_FILES = {
    "half.m4a": "is truncated or damaged",
    "half.mp4": "is truncated",
    "half.webm": "is truncated",
    "half.wma": "is truncated, damaged or encrypted",
    "half.avi": "is truncated",
    "silent film.mp4": "has no sound",
    "bought.m4a": "is encrypted",
    "noise.m4a": "is truncated or damaged",
    "noise.aac": "is not audio, whatever its name says",
    "list.m4a": "is not audio, whatever its name says",
    "concat.m4a": "is not audio, whatever its name says",
}


@needs_av
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    spoil(tmp_path / name, name)
    capfd.readouterr()
    with pytest.raises(InputError, match=BAD_FILES[name]) as error:
        inspect_audio(tmp_path / name, trim=True)
    assert str(tmp_path / name) in str(error.value)
    assert capfd.readouterr() == ("", "")


@needs_av
def test_a_name_may_be_any(tmp_path: Path) -> None:
    """Not an address, nor what FFmpeg opens other files by."""
    for name in ("concat:a|b.m4a", os.fsdecode(b"\xff\xfe.m4a")):
        write_other(tmp_path / "a.m4a", stereo(0.5, 16000), 16000).rename(tmp_path / name)
        assert len(read_audio(tmp_path / name)) >= 0.5 * 16000


# As they begin: mp4, webm, wma, AMR, raw AAC, AVI.
@pytest.mark.parametrize(
    "head",
    [b"\0\0\0\x1cftypisom", b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75", b"#!AMR\n", b"\xff\xf1P@", b"RIFF\0\0\0\0AVI "],
)
def test_without_pyav_the_sentence_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a").write_bytes(head + bytes(range(256)))
    with pytest.raises(InputError, match=r"a is in a format that libsndfile cannot read: pip install av \(.*formats"):
        read_audio(tmp_path / "a")

"""Audio files opened, with all checks that need no decoding, and decoded to mono, block by block.

Nothing here trusts a header: memory depends on what is decoded, and not on what a file says of itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from os import fsencode
from pathlib import Path
from typing import TypeAlias

import numpy as np
import soundfile

from seq.audio.faults import is_truncated, no_samples, not_a_file, truncated, unreadable
from seq.audio.other_formats import OtherFile
from seq.errors import InputError

AudioFile: TypeAlias = soundfile.SoundFile | OtherFile

# Longer than an utterance: those are resampled in one piece.
BLOCK_SECONDS = 30
# Of all channels of a block, however many there are and however fast.
MAX_BLOCK_SAMPLES = 1 << 24
# Samples a second.
MIN_RATE, MAX_RATE = 1000, 1_000_000
# Silence in FLAC or Opus has some thousand samples to a byte.
MAX_FRAMES_PER_BYTE = 8192
# What libsndfile says of a stream of unknown length.
_UNKNOWN_FRAMES = 2**63 - 1

# A filter or a mix may lift floats beyond 1. What is so far beyond it are integers that nobody has scaled.
MAX_MAGNITUDE = 16.0
# Channels that cancel each other leave less than this of their power, -40 dB. Of 64 independent ones 1/64 is left.
_CANCELLED = 1e-4
# Power of a channel of which one cannot tell, -80 dB full scale.
_SILENT_POWER = 1e-8


@contextmanager
def open_audio(path: Path | str) -> Iterator[AudioFile]:
    """Open an audio file for reading: by libsndfile or, where that cannot, by PyAV (see `OtherFile`).

    Raises:
        InputError: it is no file, not audio or truncated, its rate is none of audio, it cannot hold the audio that its
            header promises, or it cannot be decoded in the block; the sentence names it.
    """
    path = Path(path)
    if sentence := not_a_file(path):
        raise InputError(sentence)
    with _opened(path) as file:
        _check_header(path, file)
        try:
            yield file
        except (soundfile.SoundFileError, OSError) as error:
            raise InputError(unreadable(path)) from error


def _opened(path: Path) -> AudioFile:
    try:
        # Bytes, since a name may be any.
        return soundfile.SoundFile(fsencode(path))
    except (soundfile.SoundFileError, OSError, TypeError):  # TypeError: headerless, by its suffix.
        try:
            return OtherFile(path)
        except OSError as error:
            raise InputError(unreadable(path)) from error


def mono_blocks(
    file: AudioFile, path: Path | str, start: float = 0.0, duration: float | None = None
) -> Iterator[np.ndarray]:
    """Decode an open file, or `duration` seconds of it from `start`: (T,) float32 at its rate, channels averaged.

    A block has at most 30 s; only the part is decoded.

    Raises:
        InputError: there is nothing in this part, less than the header says, or what `Mixer` refuses; after some blocks
            where that lies further on.
    """
    path = Path(path)
    first, wanted = _part(file, path, start, duration)
    if first:
        file.seek(first)
    size = max(min(BLOCK_SECONDS * file.samplerate, MAX_BLOCK_SAMPLES // file.channels), 1)
    mixer = Mixer(path)
    while wanted > 0:
        block = file.read(min(wanted, size), dtype="float32", always_2d=True)
        if not len(block):
            raise InputError(truncated(path))
        wanted -= len(block)
        yield mixer.mix(block)
    mixer.finish()


def audio_duration(path: Path | str) -> float:
    """Seconds of a file by its header. Raises InputError as `open_audio`."""
    with open_audio(path) as file:
        return file.frames / file.samplerate


def is_rate(rate: int) -> bool:
    """Whether so many samples a second may be audio."""
    return MIN_RATE <= rate <= MAX_RATE


class Mixer:
    """Averages the channels of a signal that comes in blocks, and looks at what it averages.

    Args:
        name: what to call the signal in an error.
    """

    def __init__(self, name: Path | str) -> None:
        self._name = name
        self._num_samples = 0
        # Of the mean channel, and of the mean of channels.
        self._power, self._mono_power = 0.0, 0.0

    def mix(self, block: np.ndarray) -> np.ndarray:
        """(T, channels) floats -> (T,) float32.

        Raises:
            InputError: a sample is NaN, infinite, or beyond every scale of audio.
        """
        mono = np.asarray(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1), dtype=np.float32)
        if not np.isfinite(mono).all():
            raise InputError(
                f"{self._name} has samples that are NaN or infinite: convert it again from its source, or remove it"
            )
        if len(mono) and (peak := float(np.abs(mono).max())) > MAX_MAGNITUDE:
            raise InputError(
                f"{self._name} has samples as large as {peak:.0e}, where audio reaches 1: integers are divided before "
                "they are written as floats, those of 16 bits by 32768; convert it again from its source"
            )
        if block.shape[1] > 1:
            self._num_samples += len(block)
            self._power += float(np.vdot(block, block)) / block.shape[1]
            self._mono_power += float(np.vdot(mono, mono))
        return mono

    def finish(self) -> None:
        """Raises InputError where the channels cancelled each other: their mean holds nothing of them."""
        if self._power > _SILENT_POWER * self._num_samples and self._mono_power < _CANCELLED * self._power:
            raise InputError(
                f"{self._name} has channels that cancel each other, one is the other turned upside down: write one of "
                "them alone"
            )


def _check_header(path: Path, file: AudioFile) -> None:
    remedy = "convert it again from its source"
    if not is_rate(file.samplerate):
        raise InputError(
            f"{path} says that it has {file.samplerate} samples a second, and audio has {MIN_RATE} to {MAX_RATE}: "
            f"{remedy}"
        )
    if file.frames == _UNKNOWN_FRAMES:
        raise InputError(f"{path} does not say how long it is, as what came through a pipe: {remedy}")
    size = path.stat().st_size
    if file.frames > MAX_FRAMES_PER_BYTE * size:
        hours = file.frames / file.samplerate / 3600
        raise InputError(f"{path} says that it is {hours:.3g} hours long, which {size} bytes cannot hold: {remedy}")
    if is_truncated(path, file.extra_info):
        raise InputError(truncated(path))


def _part(file: AudioFile, path: Path, start: float, duration: float | None) -> tuple[int, int]:
    """The first sample of a part in seconds, and how many there are. Raises InputError where there is none."""
    if not (math.isfinite(start) and start >= 0) or not math.isfinite(duration or 0):
        raise InputError(f"{path} has no part that begins at {start:.10g} s and lasts {duration} s: check the times")
    rate, total = file.samplerate, file.frames
    # Times may be as large as floats are.
    first = int(min(start * rate, total) + 0.5)
    wanted = total - first if duration is None else min(int(min(duration * rate, total) + 0.5), total - first)
    if wanted <= 0:
        raise InputError(no_samples(path, start, total / rate))
    return first, wanted

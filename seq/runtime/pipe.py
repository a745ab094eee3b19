"""Audio from standard input: wav and raw samples as they come, other formats when they are complete."""

from __future__ import annotations

import io
import math
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import soundfile

from seq.audio.faults import UNKNOWN_WAV_SIZE
from seq.errors import InputError
from seq.runtime.model import Model
from seq.runtime.results import Result
from seq.runtime.waveform import MAX_CHANNELS
from seq.utils.nameless_file import nameless_file

NAME = "standard input"

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBTYPES = {
    (_PCM, 8): "PCM_U8",
    (_PCM, 16): "PCM_16",
    (_PCM, 24): "PCM_24",
    (_PCM, 32): "PCM_32",
    (_FLOAT, 32): "FLOAT",
    (_FLOAT, 64): "DOUBLE",
}
_MAX_HEADER_CHUNK = 1 << 20
# What is read at once.
_MAX_SECONDS = 10.0
_MAX_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class _Format:
    rate: int
    channels: int
    subtype: str
    frame_bytes: int
    # Bytes of samples that follow; None: until the end.
    size: int | None


def predict_pipe(
    model: Model, stream: BinaryIO, every: float = 0.0, raw_rate: int | None = None, describe: bool = False
) -> Iterator[tuple[Result, bool]]:
    """Yield (result, whether it is final) for audio that comes through a pipe.

    Args:
        stream: wav of plain samples, or with `raw_rate` 16-bit little-endian mono without a header, is judged while it
            comes; any other format that is read from a file is first copied to a temporary file, which has no name.
        every: seconds of audio between estimates; 0 gives the final result only.

    Raises:
        InputError: not audio, truncated, empty, silent, NaN, or nothing that can be read, or stored until it is judged.
    """
    try:
        yield from _predict(model, stream, every, raw_rate, describe)
    except OSError as error:
        raise InputError(f"{NAME} cannot be read, or stored until it is judged ({error.strerror})") from error
    except (ValueError, RuntimeError, MemoryError) as error:
        # A decoder or resampler may stumble in ways of its own.
        raise InputError(f"{NAME} cannot be judged ({type(error).__name__}: {error}): convert it to wav") from error


def _predict(
    model: Model, stream: BinaryIO, every: float, raw_rate: int | None, describe: bool
) -> Iterator[tuple[Result, bool]]:
    head = b""
    if raw_rate is not None:
        wav: _Format | None = _Format(raw_rate, 1, "PCM_16", 2, None)
    else:
        head = stream.read(12)
        wav = _read_header(stream) if head[:4] == b"RIFF" and head[8:] == b"WAVE" else None
    if wav is None:
        yield _predict_copy(model, head, stream, describe), True
        return
    live = model.stream(wav.rate, describe, NAME)
    # Parts of equal length between estimates, so that memory does not depend on how far these are apart.
    longest = max(min(_MAX_SECONDS, _MAX_CHUNK_BYTES / wav.frame_bytes / wav.rate), 1 / wav.rate)
    num_parts = math.ceil(every / longest) or 1
    for number, chunk in enumerate(_chunks(stream, wav, every / num_parts or longest), start=1):
        live.hear(chunk)
        if every and number % num_parts == 0 and (result := live.estimate()) is not None:
            yield result, False
    yield live.finish(), True


def _read_header(stream: BinaryIO) -> _Format:
    """What the chunks before the samples say; the stream then stands at the first sample."""
    found: tuple[int, int, str, int] | None = None
    while len(header := stream.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name == b"data":
            if found is None:
                break
            return _Format(*found, size if 0 < size < UNKNOWN_WAV_SIZE else None)
        if size > _MAX_HEADER_CHUNK:
            break
        body = stream.read(size + size % 2)
        if name == b"fmt " and len(body) >= 16:
            found = _parse_format(body)
    raise InputError(f"{NAME} is a damaged wav: its header has no samples or no format; write it again")


def _parse_format(body: bytes) -> tuple[int, int, str, int]:
    kind, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
    if kind == _EXTENSIBLE and len(body) >= 26:
        kind = struct.unpack("<H", body[24:26])[0]
    subtype = _SUBTYPES.get((kind, bits))
    if not 1 <= channels <= MAX_CHANNELS:
        raise InputError(f"{NAME} is a wav of {channels} channels: send 1 to {MAX_CHANNELS}")
    if subtype is None or frame_bytes != channels * bits // 8:
        raise InputError(f"{NAME} is a wav of format {kind} with {bits} bits: send plain samples, or name a file")
    return rate, channels, subtype, frame_bytes


def _chunks(stream: BinaryIO, wav: _Format, seconds: float) -> Iterator[np.ndarray]:
    """(T, channels) float32, `seconds` each."""
    left = wav.size
    wanted = max(round(seconds * wav.rate), 1) * wav.frame_bytes
    while left is None or left > 0:
        data = stream.read(wanted if left is None else min(wanted, left))
        whole = data[: len(data) - len(data) % wav.frame_bytes]
        if whole:
            yield _decode(whole, wav)
        if left is not None:
            left -= len(data)
            if not data:
                raise InputError(f"{NAME} is truncated, it has fewer samples than its header says: send it again")
        elif len(data) < wanted:
            return


def _decode(data: bytes, wav: _Format) -> np.ndarray:
    samples, _ = soundfile.read(
        io.BytesIO(data),
        samplerate=wav.rate,
        channels=wav.channels,
        format="RAW",
        subtype=wav.subtype,
        endian="LITTLE",
        dtype="float32",
        always_2d=True,
    )
    return samples


def _predict_copy(model: Model, head: bytes, stream: BinaryIO, describe: bool) -> Result:
    with nameless_file() as (file, path):
        file.write(head)
        shutil.copyfileobj(stream, file)
        file.flush()
        try:
            return model.predict_file(path, describe=describe)
        except InputError as error:
            raise InputError(str(error).replace(str(path), NAME)) from error

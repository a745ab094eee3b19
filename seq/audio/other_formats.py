"""Sound that libsndfile does not read (m4a, aac, wma, webm, the sound of videos), through PyAV where it is installed.

PyAV is FFmpeg's libraries with their decoders. It is optional, and imported only for a file that needs it.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import numpy as np

from seq.audio.faults import no_samples, truncated, undecodable, unreadable
from seq.errors import InputError

# What FFmpeg may take a file for. Playlists and lists of files are not among it: they name other files and addresses,
# which FFmpeg would open.
_DEMUXERS: Final = "mov,matroska,webm,asf,aac,amr,avi,flv,mpegts,mpeg,ogg,caf"
# Those whose header says how long the file is, by the first of their names.
_WITH_LENGTH: Final = ("mov", "matroska", "asf", "avi", "flv", "caf")
# Headers round, and the last block of a codec is as long as it wants.
_LENGTH_SECONDS: Final = 0.25


class OtherFile:
    """A file's sound, with that part of `soundfile.SoundFile` which reading needs.

    No header says exactly how many samples a decoder gives, so the file is decoded once to count them. Rate and
    channels are those of the first sound in it. Nothing is held but what is being read.
    """

    # What libsndfile would note of the header.
    extra_info: Final = ""

    def __init__(self, path: Path) -> None:
        """Raises InputError: PyAV is not installed, or the file is truncated, damaged, encrypted or without sound."""
        self._path = path
        self._av = _import_av(path)
        self.samplerate, self.channels, self.frames = 0, 0, 0
        for block in self._decode():
            self.frames += len(block)
        if not self.frames:
            raise InputError(no_samples(path, 0, 0))
        self._blocks = self._decode()
        self._rest = np.zeros((0, self.channels), dtype=np.float32)

    def __enter__(self) -> OtherFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self._blocks.close()

    def seek(self, first: int) -> int:
        """Go to a sample. All before it is decoded: the times in such files are too coarse to jump by."""
        self._blocks.close()
        self._blocks, self._rest = self._decode(), self._rest[:0]
        left = first
        while left and len(block := self.read(min(left, self.samplerate))):
            left -= len(block)
        return first - left

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """The next (T, channels) float32: `frames` of them or, at the end, as many as there are."""
        assert dtype == "float32" and always_2d
        parts, found = [self._rest], len(self._rest)
        while found < frames and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            found += len(block)
        whole = np.concatenate(parts)
        self._rest = whole[frames:]
        return whole[:frames]

    def _decode(self) -> Generator[np.ndarray, None, None]:
        """The sound from its beginning, (T, channels) float32 a packet."""
        error = self._av.error.FFmpegError
        # FFmpeg gets the open file and not its name, which it could take for an address.
        with open(self._path, "rb") as file:
            try:
                container = self._av.open(file, metadata_errors="ignore", options={"format_whitelist": _DEMUXERS})
            except error as reason:
                raise InputError(unreadable(self._path, has_ffmpeg=True)) from reason
            with container:
                if container.streams.video and not container.streams.audio:
                    raise InputError(f"{self._path} has no sound: name a file that has")
                sound = container.streams.best("audio")
                if sound is None or sound.codec_context is None:
                    raise InputError(unreadable(self._path, has_ffmpeg=True))
                try:
                    yield from self._decode_stream(container, sound)
                except error as reason:
                    raise InputError(undecodable(self._path)) from reason

    def _decode_stream(self, container: Any, sound: Any) -> Generator[np.ndarray, None, None]:
        # Pictures are not decoded, but how far they reach tells whether the file is whole.
        ends = 0.0
        for packet in container.demux():
            if packet.pts is not None:
                ends = max(ends, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index != sound.index:
                continue
            if packet.has_sidedata("encryption_info"):
                raise InputError(f"{self._path} is encrypted, against copies: use a file without such protection")
            if packet.is_corrupt:
                raise InputError(truncated(self._path))
            for frame in packet.decode():
                yield self._floats(frame)
        claimed = (container.duration or 0) / self._av.time_base
        if container.format.name.split(",")[0] in _WITH_LENGTH and ends < claimed - _LENGTH_SECONDS:
            raise InputError(truncated(self._path))

    def _floats(self, frame: Any) -> np.ndarray:
        """(T, channels) float32 of what was decoded, whose integers are of 8 to 64 bits."""
        rate, channels = frame.sample_rate, len(frame.layout.channels)
        if not self.samplerate:
            self.samplerate, self.channels = rate, channels
        if (rate, channels) != (self.samplerate, self.channels):
            raise InputError(f"{self._path} changes its rate or its channels on the way: convert it to wav or flac")
        samples = frame.to_ndarray()
        samples = samples.T if frame.format.is_planar else samples.reshape(-1, channels)
        if samples.dtype.kind == "u":
            samples = samples.astype(np.int16) - 128
            return (samples / 128).astype(np.float32)
        scale = -float(np.iinfo(samples.dtype).min) if samples.dtype.kind == "i" else 1.0
        return (samples / scale).astype(np.float32)


def _import_av(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise InputError(unreadable(path)) from error
    return av

"""Files in formats that libsndfile does not read, written by PyAV; nothing here works without it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

# Of the codecs, which sample format they encode.
_SAMPLES = {"alac": "s16p", "libopus": "flt"}


def write_other(
    path: Path, samples: np.ndarray, rate: int, codec: str = "aac", video: str | None = None, **options: str
) -> Path:
    """Write (S, channels) floats, none where there are no samples, in the container that the suffix names.

    Args:
        video: the codec of a moving picture of 32 x 32 that goes with it, 25 pictures a second, as long.
        options: of FFmpeg's muxer.
    """
    import av

    with av.open(str(path), "w", options=options) as container:
        streams = []
        if video:
            pictures = container.add_stream(video, rate=25, width=32, height=32, pix_fmt="yuv420p")
            frames = [av.VideoFrame(32, 32, "yuv420p") for _ in range(25 * max(len(samples), rate) // rate)]
            for i, frame in enumerate(frames):
                for plane in frame.planes:
                    plane.update(bytes([i % 200]) * plane.buffer_size)
            streams.append((pictures, frames))
        if len(samples):
            layout = "mono" if samples.shape[1] == 1 else "stereo"
            sound = container.add_stream(codec, rate=rate, layout=layout, bit_rate=96000)
            sound.format = _SAMPLES.get(codec, "fltp")
            whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T, np.float32), "fltp", layout)
            whole.sample_rate, whole.pts, whole.time_base = rate, 0, Fraction(1, rate)
            streams.append((sound, [whole]))
        packets = [packet for stream, frames in streams for frame in [*frames, None] for packet in stream.encode(frame)]
        # As players need it: pictures and sound of one moment beside each other.
        container.mux(sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)))
    return path

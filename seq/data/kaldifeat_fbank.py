"""kaldifeat's filter banks, equal to the default extractor's, for many utterances at once and on a GPU.

Lhotse registers the extractor as `kaldifeat-fbank`; this file alone needs the package kaldifeat.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from lhotse import FeatureExtractor, KaldifeatFbank, KaldifeatFbankConfig
from lhotse.features.kaldifeat import KaldifeatFrameOptions, KaldifeatMelOptions

from seq.audio.reading import SAMPLING_RATE
from seq.errors import InputError


@lru_cache(maxsize=4)
def make_kaldifeat(num_filters: int, device: str = "cpu") -> FeatureExtractor:
    """Lhotse's extractor over kaldifeat, with the options of the default one (no dither, snip_edges off).

    Raises:
        InputError: kaldifeat is not installed or does not load its library.
    """
    try:
        import kaldifeat  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        raise InputError(
            f"features.extractor is kaldifeat-fbank, but kaldifeat does not import ({error}): install the kaldifeat "
            f"that was built for torch {torch.__version__} (https://csukuangfj.github.io/kaldifeat), "
            "or set features.extractor to kaldi-fbank"
        ) from error
    config = KaldifeatFbankConfig(
        frame_opts=KaldifeatFrameOptions(sampling_rate=SAMPLING_RATE),
        mel_opts=KaldifeatMelOptions(num_bins=num_filters),
        device=device,
    )
    return KaldifeatFbank(config)


def extract_batch(waveforms: list[np.ndarray], num_filters: int, device: torch.device) -> list[torch.Tensor]:
    """Features (T, num_filters) on `device` of waveforms (S,), 16 kHz, computed together.

    Raises:
        InputError: as `make_kaldifeat`.
    """
    extractor = make_kaldifeat(num_filters, str(device))
    with torch.no_grad():
        return list(extractor.extract([torch.from_numpy(samples).to(device) for samples in waveforms], SAMPLING_RATE))

"""Stage 2: 80-dim log-mel filter banks, ours or by one of Lhotse's extractors, stored without loss.

On a CPU utterances are extracted one by one, and so they are by Lhotse's extractors everywhere: Lhotse's batches pad
with zeros and reflect the padding, not the utterance, at its right edge, so the last two frames of an utterance would
depend on its neighbours.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from lhotse import FeatureExtractor, Features, MonoCut, NumpyFilesWriter
from lhotse.features.base import FEATURE_EXTRACTORS
from lhotse.qa import validate
from lhotse.utils import fastcopy
from torch.nn.utils.rnn import pad_sequence

from seq.audio.level import normalise_level
from seq.audio.reading import MIN_SAMPLES, SAMPLING_RATE, load_cut_audio
from seq.conf import FeaturesConf
from seq.data.cut_jobs import rewrite_cuts
from seq.data.fbank import FRAME_SHIFT_SECONDS, Fbank
from seq.errors import InputError
from seq.utils.pool import Workers

KALDI_FBANK = "kaldi-fbank"
KALDIFEAT = "kaldifeat-fbank"


@dataclass
class KaldiFbankConfig:
    """What can be chosen of our filter bank; the rest is Kaldi's (see `seq.data.fbank`)."""

    num_filters: int = 80
    device: str = "cpu"


class KaldiFbank(FeatureExtractor):
    """Our filter bank as one of Lhotse's extractors.

    It is not registered: Lhotse's own has this name, and its values, so that whatever reads our manifests may use it.
    """

    name = KALDI_FBANK
    config_type = KaldiFbankConfig
    config: KaldiFbankConfig

    def __init__(self, config: KaldiFbankConfig | None = None) -> None:
        super().__init__(config)
        self.fbank = Fbank(self.config.num_filters).to(self.config.device)

    @property
    def frame_shift(self) -> float:
        """Seconds."""
        return FRAME_SHIFT_SECONDS

    def feature_dim(self, sampling_rate: int) -> int:
        return self.config.num_filters

    def extract(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        """Features (T, F) of (S,) float32 samples, 16 kHz."""
        waveform = torch.from_numpy(samples).to(self.config.device)
        fbank, _ = self.fbank(waveform.unsqueeze(0), torch.tensor([len(samples)], device=self.config.device))
        return fbank[0].cpu().numpy()

    def extract_together(self, waveforms: list[torch.Tensor]) -> list[torch.Tensor]:
        """Features (T, F) of each waveform (S,), 16 kHz, computed together, where the extractor's device is."""
        lengths = torch.tensor([len(waveform) for waveform in waveforms], device=self.config.device)
        padded = pad_sequence(waveforms, batch_first=True).to(self.config.device)
        fbank, num_frames = self.fbank(padded, lengths)
        return [item[:frames] for item, frames in zip(fbank, num_frames.tolist(), strict=True)]


def make_extractor(conf: FeaturesConf) -> FeatureExtractor:
    """The extractor that `conf` names, "kaldi-fbank" ours, others from Lhotse's registry; made once per process.

    Raises:
        InputError: Lhotse has no such extractor, or it cannot have this many filters.
    """
    return _make_extractor(conf.extractor, conf.num_filters)


@lru_cache(maxsize=4)
def _make_extractor(name: str, num_filters: int, device: str = "cpu") -> FeatureExtractor:
    if name == KALDI_FBANK:
        return KaldiFbank(KaldiFbankConfig(num_filters, device))
    if name == KALDIFEAT:
        from seq.data.kaldifeat_fbank import make_kaldifeat

        return make_kaldifeat(num_filters, device)
    if name not in FEATURE_EXTRACTORS:
        known = ", ".join(sorted(FEATURE_EXTRACTORS))
        raise InputError(f"features.extractor: Lhotse has no extractor {name!r}; choose from {known}")
    extractor_type = FEATURE_EXTRACTORS[name]
    wanted = {"sampling_rate": SAMPLING_RATE, "num_filters": num_filters, "device": device}
    known_fields = {field.name for field in fields(extractor_type.config_type)}
    config = extractor_type.config_type(**{key: value for key, value in wanted.items() if key in known_fields})
    extractor = extractor_type(config)
    if extractor.feature_dim(SAMPLING_RATE) != num_filters:
        raise InputError(
            f"features.num_filters is {num_filters}, but {name} has {extractor.feature_dim(SAMPLING_RATE)} features"
        )
    return extractor


def compute_fbank(samples: np.ndarray, conf: FeaturesConf | None = None) -> np.ndarray:
    """Features (T, num_filters) float32 of (S,) float32 samples, 16 kHz, at one level; T = S / 160, rounded half up.

    Raises:
        InputError: fewer than 400 samples, one frame of 25 ms.
    """
    if len(samples) < MIN_SAMPLES:
        raise InputError(f"{len(samples)} samples are less than one frame of {MIN_SAMPLES} samples (25 ms)")
    with torch.inference_mode():
        return make_extractor(conf or FeaturesConf()).extract(normalise_level(samples), SAMPLING_RATE)


def compute_fbanks(waveforms: list[np.ndarray], conf: FeaturesConf, device: torch.device) -> list[torch.Tensor]:
    """Features (T, num_filters) on `device` of each waveform (S,), as `compute_fbank` computes them.

    kaldifeat takes all of them at once, and on a GPU so does our own; other extractors one by one (see above).
    """
    if conf.extractor != KALDIFEAT and device.type == "cpu":
        return [torch.from_numpy(compute_fbank(samples, conf)) for samples in waveforms]
    waveforms = [normalise_level(samples) for samples in waveforms]
    if conf.extractor == KALDIFEAT:
        from seq.data.kaldifeat_fbank import extract_batch

        return extract_batch(waveforms, conf.num_filters, device)
    extractor = _make_extractor(conf.extractor, conf.num_filters, str(device))
    tensors = [torch.from_numpy(samples) for samples in waveforms]
    with torch.no_grad():
        if isinstance(extractor, KaldiFbank):
            return extractor.extract_together(tensors)
        return [extractor.extract(samples, SAMPLING_RATE) for samples in tensors]


def compute_and_store(cuts: list[MonoCut], conf: FeaturesConf, storage: Path) -> list[MonoCut]:
    """Features of each cut, written below `storage`; returns the cuts with their features, in the same order."""
    extractor = make_extractor(conf)
    results = []
    with NumpyFilesWriter(storage) as writer:
        for cut in cuts:
            fbank = compute_fbank(load_cut_audio(cut), conf)
            features = Features(
                type=conf.extractor,
                num_frames=fbank.shape[0],
                num_features=fbank.shape[1],
                frame_shift=extractor.frame_shift,
                sampling_rate=SAMPLING_RATE,
                start=cut.start,
                duration=cut.duration,
                storage_type=writer.name,
                storage_path=str(writer.storage_path),
                storage_key=_write(writer, cut.id, fbank),
                recording_id=cut.recording_id,
                channels=cut.channel,
            )
            with_features = fastcopy(cut, features=features)
            validate(with_features)
            results.append(with_features)
    return results


def _write(writer: NumpyFilesWriter, key: str, fbank: np.ndarray) -> str:
    """The storage key of the features. Raises OSError, naming the storage, where the disk is full."""
    try:
        return writer.write(key, fbank)
    except OSError as error:
        if error.errno is not None:
            raise
        # numpy only says how many numbers went in.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), writer.storage_path) from error


def prepare_features(conf: FeaturesConf, cuts: Path, out: Path, storage: Path, workers: Workers = 1) -> None:
    """Compute the features of all cuts of a manifest and write the cuts with features to `out`.

    Raises:
        InputError: an utterance was lost on the way (it is named), or its audio cannot be read any more.
    """
    make_extractor(conf)
    storage = storage.resolve()
    storage.mkdir(parents=True, exist_ok=True)
    work = partial(compute_and_store, conf=conf, storage=storage)
    total = rewrite_cuts(work, cuts, out, "fbank", workers, ["seq.data.features"])
    print(f"{out}: {total} utterances, {conf.extractor}, {conf.num_filters} filters, float32 in {storage}")

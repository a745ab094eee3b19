"""From cuts with fbank to batches: Lhotse samplers, one dataset, one collation.

Names follow icefall: `feature` (N, T, F), `feature_lens` (N,).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lhotse import CutSet
from lhotse.cut import Cut
from lhotse.dataset import DynamicBucketingSampler, SimpleCutSampler
from lhotse.dataset.sampling.base import CutSampler
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seq.audio.reading import SAMPLING_RATE, load_cut_audio
from seq.conf import AugmentConf, FeaturesConf, ProtocolConf
from seq.data.augment import augment_fbank, augment_waveform, cut_random, needs_waveform
from seq.data.features import compute_fbanks
from seq.data.shar import read_cuts
from seq.errors import InputError
from seq.labels import NUM_THRESHOLDS, intensity_targets
from seq.lang.tokens import TokenTable
from seq.models.model import GENDERS
from seq.train.losses import NO_LABEL, Targets

NUM_BUCKETS = 6
# Batches are padded to a multiple of this many frames.
PAD_TO = 16


@dataclass
class Batch:
    """One mini-batch."""

    ids: list[str]
    # (N, T, F) fbank, zero beyond each utterance's end.
    feature: Tensor
    # (N,) frames.
    feature_lens: Tensor
    targets: Targets


class LabelEncoder:
    """From a cut to the numbers that the losses want; a missing label is masked, never guessed."""

    def __init__(self, protocol: ProtocolConf, tokens: TokenTable, transcripts: dict[str, list[str]]) -> None:
        self._emotions = {name: i for i, name in enumerate(protocol.emotions)}
        self._merges = {merge.raw: merge.name for merge in protocol.merges}
        self._tokens = tokens
        self._transcripts = transcripts

    def emotion(self, cut: object) -> str | None:
        """The category after the protocol's merges."""
        emotion = (cut.supervisions[0].custom or {}).get("emotion")  # type: ignore[attr-defined]
        return self._merges.get(emotion, emotion)

    def transcript(self, cut_id: str) -> list[str] | None:
        """The reference phones, None where there is no text."""
        return self._transcripts.get(cut_id)

    def encode(self, cuts: CutSet | list[Cut]) -> Targets:
        """Targets of a batch. Raises InputError for an emotion that the protocol lacks."""
        emotions, genders, phones = [], [], []
        intensities = torch.full((len(cuts), NUM_THRESHOLDS), float("nan"))
        for i, cut in enumerate(cuts):
            supervision = cut.supervisions[0]
            emotion = self.emotion(cut)
            if emotion is not None and emotion not in self._emotions:
                raise InputError(
                    f"utterance {cut.id} has the emotion {emotion}, which the protocol lacks: run stage 3 again"
                )
            emotions.append(NO_LABEL if emotion is None else self._emotions[emotion])
            intensity = (supervision.custom or {}).get("intensity")
            if intensity is not None:
                intensities[i] = torch.from_numpy(intensity_targets(intensity))
            genders.append(GENDERS.index(supervision.gender) if supervision.gender in GENDERS else NO_LABEL)
            text = self._transcripts.get(cut.id)
            phones.append(None if text is None else self._tokens.encode(text))
        return Targets(torch.tensor(emotions), intensities, torch.tensor(genders), phones)


class SpeechDataset(Dataset[Batch]):
    """Maps a CutSet (one mini-batch, chosen by a sampler) to a `Batch`.

    Without waveform augmentation it reads stage 2's fbank; with it, audio, and computes fbank on the fly, on `device`,
    all of a batch at once where the extractor can.
    """

    def __init__(
        self,
        encoder: LabelEncoder,
        features: FeaturesConf,
        augment: AugmentConf | None = None,
        feature_mean: Tensor | None = None,
        seed: int = 0,
        device: torch.device | None = None,
    ) -> None:
        self.encoder = encoder
        self.augment = augment
        self.feature_mean = feature_mean
        self.seed = seed
        self.epoch = 0
        self._features = features
        self._device = device or torch.device("cpu")
        self._on_the_fly = augment is not None and (augment.on_the_fly or needs_waveform(augment))

    def _load(self, cuts: CutSet) -> list[Tensor]:
        if self.augment is None:
            return [torch.from_numpy(cut.load_features()) for cut in cuts]
        rngs = [cut_random(self.seed, self.epoch, _draw(cut)) for cut in cuts]
        if self._on_the_fly:
            waveforms = [load_cut_audio(cut) for cut in cuts]
            if needs_waveform(self.augment):
                pairs = zip(waveforms, rngs, strict=True)
                waveforms = [augment_waveform(samples, SAMPLING_RATE, self.augment, rng) for samples, rng in pairs]
            # What follows is drawn and done on the CPU, so that a seed gives the same masks on every device.
            features = [feature.cpu() for feature in compute_fbanks(waveforms, self._features, self._device)]
        else:
            features = [torch.from_numpy(cut.load_features()) for cut in cuts]
        fill = self.feature_mean
        assert fill is not None
        return [augment_fbank(f, self.augment, fill, rng) for f, rng in zip(features, rngs, strict=True)]

    def __getitem__(self, cuts: CutSet) -> Batch:
        loaded = self._load(cuts)
        lengths = torch.tensor([len(f) for f in loaded])
        # Few distinct shapes: allocator and kernel caches would otherwise grow with every new length.
        num_frames = -(-int(lengths.max()) // PAD_TO) * PAD_TO
        feature = loaded[0].new_zeros(len(loaded), num_frames, loaded[0].size(1))
        for i, item in enumerate(loaded):
            feature[i, : len(item)] = item
        return Batch([cut.id for cut in cuts], feature, lengths, self.encoder.encode(cuts))


def _draw(cut: object) -> str:
    """What names a cut's augmentation: one that is drawn several times in an epoch (`balance.py`) gets several."""
    copy = (cut.custom or {}).get("copy")  # type: ignore[attr-defined]
    return f"{cut.id}#{copy}" if copy else cut.id  # type: ignore[attr-defined]


def open_cuts(path: Path, ids: list[str]) -> CutSet:
    """The cuts of a manifest, or of a folder of Shar, whose ids are given: read lazily."""
    return read_cuts(path).filter(_IdFilter(frozenset(ids)))


class _IdFilter:
    # A class and not a lambda, so that data loader workers can be spawned.
    def __init__(self, ids: frozenset[str]) -> None:
        self.ids = ids

    def __call__(self, cut: object) -> bool:
        return cut.id in self.ids  # type: ignore[attr-defined]


def feature_statistics(cuts: CutSet) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (F,) of the frames of all cuts, in one streaming pass."""
    count, total, squares = 0, 0.0, 0.0
    for cut in cuts:
        feature = cut.load_features().astype(np.float64)
        count += len(feature)
        total = total + feature.sum(axis=0)
        squares = squares + np.square(feature).sum(axis=0)
    mean = np.asarray(total / count)
    std = np.sqrt(np.maximum(np.asarray(squares / count) - np.square(mean), 1e-4))
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def train_loader(
    cuts: CutSet, dataset: SpeechDataset, batch_duration: float, num_workers: int, rank: int = 0, world_size: int = 1
) -> DataLoader[Batch]:
    """Shuffled batches of similar durations, `batch_duration` seconds each."""
    sampler = DynamicBucketingSampler(
        cuts,
        max_duration=batch_duration,
        num_buckets=NUM_BUCKETS,
        shuffle=True,
        seed=dataset.seed,
        rank=rank,
        world_size=world_size,
    )
    return _loader(dataset, sampler, num_workers)


def eval_loader(cuts: CutSet, dataset: SpeechDataset, batch_duration: float) -> DataLoader[Batch]:
    """All cuts once, in the manifest's order."""
    return _loader(dataset, SimpleCutSampler(cuts, max_duration=batch_duration, shuffle=False, rank=0, world_size=1), 0)


def _loader(dataset: SpeechDataset, sampler: CutSampler, num_workers: int) -> DataLoader[Batch]:
    return DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=num_workers)

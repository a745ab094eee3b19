"""From cuts with features to batches: Lhotse samplers, one dataset, one collation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from lhotse import CutSet, MonoCut
from lhotse.dataset import DynamicBucketingSampler, SimpleCutSampler
from lhotse.dataset.sampling.dynamic_bucketing import estimate_duration_buckets
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from seq.audio.reading import SAMPLING_RATE, load_cut_audio
from seq.conf import AugmentConf, FeaturesConf
from seq.data.augment import Pace, augment_fbank, change_speed, cut_random, draw_pace, needs_waveform
from seq.data.batch import Batch
from seq.data.degrade import degrade
from seq.data.encoded import Heard, draw_variant, load_fbank, load_heard
from seq.data.epoch import Epoch
from seq.data.features import compute_fbanks
from seq.data.mixing import Mix, draw_mix, mix_features
from seq.data.samplers import HeardSeconds, RankSampler, ResumedSampler
from seq.data.targets import Labeller
from seq.data.waveforms import Waveforms

NUM_BUCKETS = 6
# Of shards: utterances that are in memory, twice (buckets, and what is shuffled before), and those that are measured.
SHARD_BUFFER = 2000
NUM_MEASURED = 10_000
# Seconds of audio that are decoded at once.
EVAL_BATCH_SECONDS = 60.0
# Batches are padded to a multiple of this many frames.
PAD_TO = 16

# Of babble in training.
NUM_VOICES = 5
# What a network reads: filter banks, or what the frozen part of an encoder said.
Reads = Literal["fbank", "frames"]


class SpeechDataset(Dataset[Batch]):
    """Maps a CutSet (one mini-batch, chosen by a sampler) to a `Batch`.

    Without waveform augmentation it reads what stage 2 wrote; with it, audio, and computes fbank on the fly, on
    `device`, all of a batch at once where the extractor can, or lets the encoder hear it.
    """

    def __init__(
        self,
        labeller: Labeller,
        features: FeaturesConf,
        augment: AugmentConf | None = None,
        feature_mean: Tensor | None = None,
        epoch: Epoch | None = None,
        device: torch.device | None = None,
        reads: Reads = "fbank",
        hear: Callable[[np.ndarray], Heard] | None = None,
        corpora: Sequence[str] = (),
    ) -> None:
        """Args:
        augment: of the train part; None reads utterances as they are.
        feature_mean: (F,) what masked places of fbank hold.
        reads: what the network reads.
        hear: what an encoder says of (S,) samples, for training on the fly.
        corpora: those of a merged manifest that have adapters.
        """
        self.labeller = labeller
        self.augment = augment
        self.feature_mean = feature_mean
        self.epoch = epoch or Epoch(0)
        self._features = features
        self.device = device or torch.device("cpu")
        # What an encoder hears is kept by stage 2, changed waveforms among it (`augment.copies`).
        is_changed = augment is not None and reads != "frames" and needs_waveform(augment)
        self._on_the_fly = augment is not None and (augment.on_the_fly or is_changed)
        # Then it was heard at a pace of its own, and nothing is drawn of it but which one.
        self._hears_kept = reads == "frames" and not self._on_the_fly
        self._waveforms = Waveforms()
        self._reads = reads
        self._hear = hear
        self._corpora = list(corpora)

    def load(self, cut: MonoCut) -> Heard:
        """An utterance as it is, from what stage 2 wrote."""
        return load_heard(cut) if self._reads == "frames" else load_fbank(cut)

    def _load(self, cuts: CutSet) -> list[Heard]:
        if self.augment is None:
            return [self.load(cut) for cut in cuts]
        rngs = [cut_random(self.epoch.seed, self.epoch.number, _draw(cut)) for cut in cuts]
        if self._hears_kept:
            return [load_heard(cut, draw_variant(self.augment, rng)) for cut, rng in zip(cuts, rngs, strict=True)]
        paces = [self._pace(cut) for cut in cuts]
        if self._on_the_fly:
            # A process that loads for the one that trains ends with the epoch: what it kept, nobody would hear again.
            loads_only = get_worker_info() is not None
            waveforms = [load_cut_audio(cut) if loads_only else self._waveforms.load(cut) for cut in cuts]
            if needs_waveform(self.augment):
                paced = zip(waveforms, paces, strict=True)
                waveforms = [change_speed(samples, SAMPLING_RATE, pace.speed) for samples, pace in paced]
                waveforms = [
                    degrade(samples, self.augment, rng, _others(waveforms, i))
                    for i, (samples, rng) in enumerate(zip(waveforms, rngs, strict=True))
                ]
            if self._hear is not None:
                return [self._hear(samples) for samples in waveforms]
            # Nor may it touch the GPU.
            device = torch.device("cpu") if loads_only else self.device
            # What follows is drawn and done on the CPU, so that a seed gives the same masks on every device.
            features = [feature.cpu() for feature in compute_fbanks(waveforms, self._features, device)]
        else:
            features = [load_fbank(cut).feature for cut in cuts]
        fill = self.feature_mean
        assert fill is not None
        drawn = zip(features, rngs, paces, strict=True)
        return [Heard(augment_fbank(feature, self.augment, fill, rng, pace.tempo)) for feature, rng, pace in drawn]

    def _pace(self, cut: MonoCut) -> Pace:
        assert self.augment is not None
        return draw_pace(self.augment, self.epoch.seed, self.epoch.number, _draw(cut))

    def seconds(self, cut: MonoCut) -> float:
        """How long a cut is as this epoch hears it; as it was said, where a cached encoder heard it."""
        if self.augment is None or self._hears_kept:
            return cut.duration
        return self._pace(cut).seconds(cut.duration)

    def __getitem__(self, cuts: CutSet) -> Batch:
        heard = self._load(cuts)
        loaded = [item.feature for item in heard]
        statistics = [item.statistics for item in heard if item.statistics is not None]
        lengths = torch.tensor([len(f) for f in loaded])
        # Few distinct shapes: allocator and kernel caches would otherwise grow with every new length.
        num_frames = -(-int(lengths.max()) // PAD_TO) * PAD_TO
        feature = loaded[0].new_zeros(len(loaded), num_frames, loaded[0].size(1))
        for i, item in enumerate(loaded):
            feature[i, : len(item)] = item
        ids = [cut.id for cut in cuts]
        speakers = [cut.supervisions[0].speaker for cut in cuts]
        labels = self.labeller.encode(list(cuts))
        mix = self._draw_mix(ids)
        if mix is not None:
            assert self.feature_mean is not None
            feature, lengths = mix_features(feature, lengths, self.feature_mean, mix)
        stacked = torch.stack(statistics) if statistics else None
        return Batch(ids, speakers, feature, lengths, labels, stacked, self._corpora_of(cuts), mix)

    def _corpora_of(self, cuts: CutSet) -> Tensor | None:
        if not self._corpora:
            return None
        names = [cut.supervisions[0].custom["corpus"] for cut in cuts]
        return torch.tensor([self._corpora.index(name) if name in self._corpora else -1 for name in names])

    def _draw_mix(self, ids: list[str]) -> Mix | None:
        if self.augment is None or not self.augment.mix_prob:
            return None
        return draw_mix(self.augment, len(ids), cut_random(self.epoch.seed, self.epoch.number, f"mix {ids[0]}"))


def _others(waveforms: list[np.ndarray], i: int) -> list[np.ndarray]:
    """The voices of babble behind an utterance of a batch: those that stand after it."""
    return [*waveforms[i + 1 :], *waveforms[:i]][:NUM_VOICES]


def _draw(cut: object) -> str:
    """What names a cut's augmentation: one that is drawn several times in an epoch (`balance.py`) gets several."""
    copy = (cut.custom or {}).get("copy")  # type: ignore[attr-defined]
    return f"{cut.id}#{copy}" if copy else cut.id  # type: ignore[attr-defined]


def feature_statistics(features: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (F,) of the rows of features (T, F), in one streaming pass."""
    count, total, squares = 0, 0.0, 0.0
    for tensor in features:
        feature = tensor.numpy().astype(np.float64)
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
    return _bucketed(cuts, dataset, batch_duration, num_workers, rank=rank, world_size=world_size)


def shard_loader(
    share: CutSet, measured: CutSet, dataset: SpeechDataset, batch_duration: float, num_workers: int
) -> DataLoader[Batch]:
    """The same for a rank's own share of shards, whose cuts have their features with them: fewer wait in memory.

    `measured` are cuts of all shards, without features, that say which durations there are.
    """
    limit = HeardSeconds(batch_duration, dataset.seconds)
    bins = estimate_duration_buckets(itertools.islice(measured, NUM_MEASURED), NUM_BUCKETS, limit)
    buffers = {"buffer_size": SHARD_BUFFER, "shuffle_buffer_size": SHARD_BUFFER}
    return _bucketed(share, dataset, batch_duration, num_workers, duration_bins=bins, rank=0, world_size=1, **buffers)


def _bucketed(
    cuts: CutSet, dataset: SpeechDataset, batch_duration: float, num_workers: int, **options: Any
) -> DataLoader[Batch]:
    sampler = DynamicBucketingSampler(
        cuts,
        constraint=HeardSeconds(batch_duration, dataset.seconds),
        num_buckets=NUM_BUCKETS,
        shuffle=True,
        seed=dataset.epoch.seed,
        **options,
    )
    return _loader(dataset, ResumedSampler(sampler), num_workers)


def eval_loader(cuts: CutSet, dataset: SpeechDataset, rank: int = 0, world_size: int = 1) -> DataLoader[Batch]:
    """All cuts once, in the manifest's order; of several ranks each has its own."""
    sampler = SimpleCutSampler(cuts, max_duration=EVAL_BATCH_SECONDS, shuffle=False, rank=0, world_size=1)
    return _loader(dataset, RankSampler(sampler, rank, world_size), 0)


def _loader(dataset: SpeechDataset, sampler: RankSampler | ResumedSampler, num_workers: int) -> DataLoader[Batch]:
    # A GPU copies from pinned memory by itself, while the batch before is trained.
    pin = dataset.device.type == "cuda"
    return DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=num_workers, pin_memory=pin)

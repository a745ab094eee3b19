"""An encoder's frames, MFCC and prosody under cross-attention, after HuMP-CAT (arXiv 2501.10408).

As there, MFCC and prosody have frames of 40 ms every 20 ms, one sequence asks and another answers, and the network is
trained on the source corpus. Ours: the encoder is the frozen one of the source experiment and not HuBERT; its frames
ask, MFCC and prosody answer, in a block each; two neighbouring frames are one. Fitting to the target's few utterances
changes the last layer alone (`seq.studies.few_shot_refit`), where the source trains on all of the network.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy import fft
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from seq.audio.level import normalise_level
from seq.audio.pitch import track_pitch
from seq.data.features import compute_fbank
from seq.models.masking import frame_mask

NUM_CEPSTRA: Final = 20
FRAME_SECONDS: Final = 0.04
NUM_EPOCHS: Final = 12
BATCH: Final = 32
LEARNING_RATE: Final = 1e-3
CHANNELS, HEADS, DIM = 64, 4, 128


@dataclass(frozen=True)
class Streams:
    """What the network reads of an utterance: encoder frames (T, F), MFCC (U, 20), prosody (V, 4); float16, 40 ms."""

    frames: Tensor
    mfcc: Tensor
    prosody: Tensor

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """In this order everywhere."""
        return self.frames, self.mfcc, self.prosody


def join_frames(x: np.ndarray, count: int) -> Tensor:
    """The means (T / count, F) of `count` neighbours each, the last perhaps of fewer, of (T, F) frames."""
    parts = [x[start : start + count].mean(axis=0) for start in range(0, len(x), count)]
    return torch.from_numpy(np.stack(parts).astype(np.float16))


def acoustic_streams(samples: np.ndarray) -> tuple[Tensor, Tensor]:
    """MFCC (U, 20) and prosody (V, 4) of (S,) samples, 16 kHz: octaves above 1 Hz, voicing, harmonicity, level in bel.

    The level is normalised, as for networks. Where nothing is voiced, the pitch is the utterance's median.
    """
    samples = normalise_level(samples)
    cepstra = fft.dct(compute_fbank(samples), type=2, norm="ortho", axis=1)[:, :NUM_CEPSTRA]
    track = track_pitch(samples)
    octaves = np.log2(np.where(track.voiced, track.pitch_hz, 1.0))
    octaves[~track.voiced] = np.median(octaves[track.voiced]) if track.voiced.any() else 0.0
    prosody = np.column_stack([octaves, track.voiced, track.height, track.level_db / 10])
    # Filter banks have a frame every 10 ms, pitch one every 20 ms.
    return join_frames(cepstra, 4), join_frames(prosody, 2)


class CrossAttention(nn.Module):
    """One sequence asks another: attention and a feed-forward layer, as of a transformer (Vaswani et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(CHANNELS, HEADS, dropout=0.1, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(CHANNELS), nn.LayerNorm(CHANNELS)
        self.feedforward = nn.Sequential(
            nn.Linear(CHANNELS, 2 * CHANNELS), nn.SiLU(), nn.Dropout(0.1), nn.Linear(2 * CHANNELS, CHANNELS)
        )

    def forward(self, x: Tensor, other: Tensor, other_mask: Tensor) -> Tensor:
        """(N, T, C) that ask, (N, U, C) that answer and their mask (N, U, 1) -> (N, T, C)."""
        padding = other_mask[..., 0] == 0
        x = self.norm1(x + self.attention(x, other, other, key_padding_mask=padding, need_weights=False)[0])
        return self.norm2(x + self.feedforward(x))


class CrossAttentionNetwork(nn.Module):
    """Three streams of an utterance -> a vector (N, 128), and logits (N, C) by one linear layer on it."""

    def __init__(self, dims: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        for name, dim in zip(("frames", "mfcc", "prosody"), dims, strict=True):
            self.register_buffer(f"mean_{name}", torch.zeros(dim))
            self.register_buffer(f"std_{name}", torch.ones(dim))
        self.inputs = nn.ModuleList(nn.Linear(dim, CHANNELS) for dim in dims)
        self.blocks = nn.ModuleList(CrossAttention() for _ in range(2))
        self.vector = nn.Sequential(
            nn.LayerNorm(6 * CHANNELS), nn.Dropout(0.3), nn.Linear(6 * CHANNELS, DIM), nn.SiLU(), nn.Dropout(0.3)
        )
        self.classifier = nn.Linear(DIM, num_classes)

    def fit(self, streams: list[Streams]) -> None:
        """Take the training set's mean and standard deviation of every stream."""
        for number, name in enumerate(("frames", "mfcc", "prosody")):
            rows = torch.cat([item.parts()[number] for item in streams]).double()
            getattr(self, f"mean_{name}").copy_(rows.mean(0))
            getattr(self, f"std_{name}").copy_(rows.std(0).clamp(min=1e-3))

    def forward(self, streams: list[Streams]) -> tuple[Tensor, Tensor]:
        """Streams of N utterances -> vectors (N, 128) and logits (N, C)."""
        sequences, masks = [], []
        for number, name in enumerate(("frames", "mfcc", "prosody")):
            items = [item.parts()[number] for item in streams]
            x = pad_sequence([item.float() for item in items], batch_first=True)
            x = (x - getattr(self, f"mean_{name}")) / getattr(self, f"std_{name}")
            sequences.append(self.inputs[number](x) + _positions(x.size(1)))
            masks.append(frame_mask(torch.tensor([len(item) for item in items]), x.size(1)))
        asking = sequences[0]
        answers = [block(asking, sequences[i], masks[i]) for i, block in enumerate(self.blocks, start=1)]
        vector = self.vector(_mean_and_std(torch.cat([asking, *answers], dim=-1), masks[0]))
        return vector, self.classifier(vector)


def _positions(count: int) -> Tensor:
    """Sinusoids (T, 64): the streams have no time of their own."""
    rates = 10000 ** (-torch.arange(0, CHANNELS, 2) / CHANNELS)
    angles = torch.arange(count)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _mean_and_std(x: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum(1)
    mean = (x * mask).sum(1) / count
    variance = ((x - mean[:, None]).square() * mask).sum(1) / count
    return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=-1)


@torch.no_grad()
def run_in_batches(network: CrossAttentionNetwork, streams: list[Streams]) -> tuple[Tensor, Tensor]:
    """Vectors (N, 128) and logits (N, C) of all utterances."""
    network.eval()
    found = [network(streams[start : start + BATCH]) for start in range(0, len(streams), BATCH)]
    return torch.cat([vector for vector, _ in found]), torch.cat([logits for _, logits in found])


def train_cross_attention(
    train: tuple[list[Streams], Tensor], valid: tuple[list[Streams], Tensor], num_classes: int, seed: int
) -> CrossAttentionNetwork:
    """Train on utterances with (N,) class numbers; the epoch is the one with the lowest loss on valid."""
    streams, labels = train
    dims = tuple(part.size(1) for part in streams[0].parts())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CrossAttentionNetwork(dims, num_classes)  # type: ignore[arg-type]
        network.fit(streams)
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
        steps = NUM_EPOCHS * math.ceil(len(streams) / BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        best, best_loss = copy.deepcopy(network), float("inf")
        for _ in range(NUM_EPOCHS):
            network.train()
            for batch in torch.randperm(len(streams)).split(BATCH):
                _, logits = network([streams[i] for i in batch.tolist()])
                loss = cross_entropy(logits, labels[batch], label_smoothing=0.1)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimizer.step()
                schedule.step()
            found = float(cross_entropy(run_in_batches(network, valid[0])[1], valid[1]))
            if found < best_loss:
                best, best_loss = copy.deepcopy(network), found
    return best.eval()

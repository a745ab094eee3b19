"""Prototypes: a network trained in episodes so that the mean of a few utterances of a class stands for the class.

Prototypical networks (Snell et al. 2017), trained on one corpus and used on another language (arXiv 2410.04633). The
backbone is the frozen encoder of the source experiment, as there; what is trained is a small network on the statistics
of its hidden states. An episode's support comes from half of the speakers, its queries from the other half, since it
is strangers who will be heard. The source's further training on the target's few utterances is left out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from seq.studies.few_shot_refit import Linear

NUM_EPISODES: Final = 400
# Utterances of a class in an episode.
NUM_SUPPORT: Final = 5
NUM_QUERIES: Final = 5
CHECK_EVERY: Final = 20
LEARNING_RATE: Final = 1e-3
HIDDEN, DIM = 256, 64


@dataclass(frozen=True)
class LabelledVectors:
    """(N, S) vectors, (N,) class numbers and (N,) speakers of utterances."""

    vectors: Tensor
    labels: Tensor
    speakers: np.ndarray


class PrototypeNetwork(nn.Module):
    """(N, S) statistics of utterances -> (N, 64) vectors, in which classes lie around their means."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.layers = nn.Sequential(
            nn.Dropout(0.3),
            nn.Linear(len(mean), HIDDEN),
            nn.LayerNorm(HIDDEN),
            nn.SiLU(),
            nn.Dropout(0.3),
            nn.Linear(HIDDEN, DIM),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((x - self.mean) / self.std)


def class_means(vectors: np.ndarray, labels: np.ndarray, num_classes: int) -> Linear:
    """The classifier that answers with the class of the nearest mean, of (N, D) vectors that have all classes.

    The squared distance from a mean p is |x|^2 - 2 p x + |p|^2, of which the first term is the same for all.
    """
    means = np.stack([vectors[labels == number].mean(axis=0) for number in range(num_classes)])
    return Linear(2 * means, -np.square(means).sum(axis=1))


def distances(vectors: Tensor, labels: Tensor, queries: Tensor, num_classes: int) -> Tensor:
    """Minus the squared distances (Q, C) of queries (Q, D) from the means of labelled vectors (N, D)."""
    means = torch.stack([vectors[labels == number].mean(0) for number in range(num_classes)])
    return -(queries[:, None] - means[None]).square().sum(-1)


def train_prototypes(train: LabelledVectors, valid: LabelledVectors, num_classes: int, seed: int) -> PrototypeNetwork:
    """Train in episodes; the weights are those with the lowest loss on valid, around the means of train."""
    mean, std = train.vectors.mean(0), train.vectors.std(0).clamp(min=1e-3)
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PrototypeNetwork(mean, std)
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
        best, best_loss = copy.deepcopy(network), float("inf")
        for number in range(1, NUM_EPISODES + 1):
            support, queries = _episode(train, num_classes, rng)
            network.train()
            found = network(train.vectors[torch.cat([support, queries])])
            scores = distances(found[: len(support)], train.labels[support], found[len(support) :], num_classes)
            loss = cross_entropy(scores, train.labels[queries])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if number % CHECK_EVERY == 0:
                found_loss = _valid_loss(network, train, valid, num_classes)
                if found_loss < best_loss:
                    best, best_loss = copy.deepcopy(network), found_loss
    return best.eval()


@torch.no_grad()
def _valid_loss(network: PrototypeNetwork, train: LabelledVectors, valid: LabelledVectors, num_classes: int) -> float:
    network.eval()
    scores = distances(network(train.vectors), train.labels, network(valid.vectors), num_classes)
    return float(cross_entropy(scores, valid.labels))


def _episode(train: LabelledVectors, num_classes: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The numbers of the utterances of an episode: support, and queries from other speakers where there are two."""
    names = rng.permutation(np.unique(train.speakers))
    in_support = np.isin(train.speakers, names[: max(1, len(names) // 2)])
    labels = train.labels.numpy()
    support, queries = [], []
    for number in range(num_classes):
        mine = labels == number
        first, second = np.flatnonzero(mine & in_support), np.flatnonzero(mine & ~in_support)
        if not len(first) or not len(second):
            # A class that one half of the speakers never acted: its utterances are dealt to both.
            everyone = rng.permutation(np.flatnonzero(mine))
            first, second = everyone[::2], everyone[1::2] if len(everyone) > 1 else everyone
        support.append(rng.choice(first, NUM_SUPPORT, replace=len(first) < NUM_SUPPORT))
        queries.append(rng.choice(second, NUM_QUERIES, replace=len(second) < NUM_QUERIES))
    return torch.from_numpy(np.concatenate(support)), torch.from_numpy(np.concatenate(queries))

"""A linear classifier fitted again to a few labelled utterances, held to what it was before.

Multinomial logistic regression with a Gaussian prior whose mean is the old classifier (maximum a posteriori, as Chelba
and Acero 2004 adapt a maximum entropy model): without utterances it stays what it was, with many the old one is
forgotten. What is learnt lies in the span of the utterances' vectors, so their number, not the vectors' width, is what
it costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

# Of the prior, ascending; infinite keeps the old classifier.
STRENGTHS: Final = (1.0, 10.0, 100.0, 1e3, 1e4, np.inf)
# Parts of the labelled utterances, each of which is held out once to choose the strength.
MAX_PARTS: Final = 5


@dataclass(frozen=True)
class Linear:
    """A linear classifier: `weights` (C, D) and `bias` (C,)."""

    weights: np.ndarray
    bias: np.ndarray

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """(N, D) vectors -> (N, C) scores, of which the highest is the answer."""
        return vectors @ self.weights.T + self.bias


def refit(vectors: np.ndarray, labels: np.ndarray, prior: Linear, strength: float) -> Linear:
    """The classifier with the highest posterior.

    Args:
        vectors: (N, D).
        labels: (N,) class numbers.
        prior: the classifier before.
        strength: half of it, times the squared distance of weights and bias from the prior's, is added to the loss,
            which is summed over the utterances.
    """
    if np.isinf(strength):
        return prior
    num_classes = len(prior.bias)
    inputs = np.column_stack([vectors, np.ones(len(vectors))])
    # In an orthonormal basis of the inputs' span: the penalty is that of the coefficients.
    left, values, basis = np.linalg.svd(inputs, full_matrices=False)
    reduced, before, wanted = left * values, prior.scores(vectors), np.eye(num_classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        change = flat.reshape(-1, num_classes)
        logits = before + reduced @ change
        value = -(log_softmax(logits, axis=1) * wanted).sum() + 0.5 * strength * np.square(change).sum()
        return value, (reduced.T @ (softmax(logits, axis=1) - wanted) + strength * change).ravel()

    start = np.zeros(len(values) * num_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "gtol": 1e-6})
    change = basis.T @ found.x.reshape(-1, num_classes)
    return Linear(prior.weights + change[:-1].T, prior.bias + change[-1])


def choose_strength(vectors: np.ndarray, labels: np.ndarray, prior: Linear) -> float:
    """The strength with the lowest log loss on labelled utterances that are held out in turn; of equals the strongest.

    Nobody but the labelled utterances is asked. Where a class has a single one, the classifier that answers for it has
    heard none of that class, so that the choice is a careful one.
    """
    part = _parts(labels)
    losses = []
    for strength in STRENGTHS:
        loss = 0.0
        for number in range(part.max() + 1):
            held = part == number
            found = refit(vectors[~held], labels[~held], prior, strength)
            logs = log_softmax(found.scores(vectors[held]), axis=1)
            loss -= logs[np.arange(held.sum()), labels[held]].sum()
        losses.append(loss)
    return STRENGTHS[len(losses) - 1 - int(np.argmin(losses[::-1]))]


def _parts(labels: np.ndarray) -> np.ndarray:
    """The part (N,) of every utterance: the utterances of a class are dealt to the parts in turn."""
    rank = np.zeros(len(labels), dtype=int)
    for label in np.unique(labels):
        mine = labels == label
        rank[mine] = np.arange(mine.sum())
    # Where each class has one utterance, each utterance is a part.
    return rank % MAX_PARTS if rank.max() else np.arange(len(labels))

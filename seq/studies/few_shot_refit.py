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
from scipy.special import logsumexp

# Of the prior, descending; infinite keeps the old classifier.
STRENGTHS: Final = (np.inf, 1e3, 100.0, 10.0, 1.0)
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
    reduced, basis = _reduce(vectors)
    change = basis.T @ _fit(reduced, labels, prior.scores(vectors), strength)
    return Linear(prior.weights + change[:-1].T, prior.bias + change[-1])


def _reduce(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, D) and a constant in coordinates (N, R) of their span, and its orthonormal basis (R, D + 1)."""
    left, values, basis = np.linalg.svd(np.column_stack([vectors, np.ones(len(vectors))]), full_matrices=False)
    return left * values, basis


def _fit(
    reduced: np.ndarray,
    labels: np.ndarray,
    before: np.ndarray,
    strength: float,
    start: np.ndarray | None = None,
    tolerance: float = 1e-6,
) -> np.ndarray:
    """The change (R, C) of the classifier, in coordinates of the span, given its scores `before` (N, C)."""
    shape = (reduced.shape[1], before.shape[1])
    wanted = np.eye(shape[1])[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        change = flat.reshape(shape)
        logits = before + reduced @ change
        logs = logits - logsumexp(logits, axis=1, keepdims=True)
        value = -(logs * wanted).sum() + 0.5 * strength * np.square(change).sum()
        return value, (reduced.T @ (np.exp(logs) - wanted) + strength * change).ravel()

    first = np.zeros(shape) if start is None else start
    options = {"maxiter": 1000, "gtol": tolerance, "ftol": 1e-3 * tolerance}
    return minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(shape)


def choose_strength(vectors: np.ndarray, labels: np.ndarray, prior: Linear) -> float:
    """The strength with the lowest log loss on labelled utterances that are held out in turn; of equals the strongest.

    Nobody but the labelled utterances is asked. Where a class has a single one, the classifier that answers for it has
    heard none of that class, so that the choice is a careful one.
    """
    part, (reduced, _), before = _parts(labels), _reduce(vectors), prior.scores(vectors)
    losses = np.zeros(len(STRENGTHS))
    for held in (part == number for number in range(part.max() + 1)):
        # From the strongest on, each begins where the one before it ended.
        change = np.zeros((reduced.shape[1], before.shape[1]))
        for i, strength in enumerate(STRENGTHS):
            if np.isfinite(strength):
                change = _fit(reduced[~held], labels[~held], before[~held], strength, change, tolerance=1e-2)
            logits = before[held] + reduced[held] @ change
            losses[i] -= (logits[np.arange(len(logits)), labels[held]] - logsumexp(logits, axis=1)).sum()
    return STRENGTHS[int(np.argmin(losses))]


def _parts(labels: np.ndarray) -> np.ndarray:
    """The part (N,) of every utterance: the utterances of a class are dealt to the parts in turn."""
    rank = np.zeros(len(labels), dtype=int)
    for label in np.unique(labels):
        mine = labels == label
        rank[mine] = np.arange(mine.sum())
    # Where each class has one utterance, each utterance is a part.
    return rank % MAX_PARTS if rank.max() else np.arange(len(labels))

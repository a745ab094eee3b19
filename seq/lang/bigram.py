"""A bigram over tokens, from the transcripts of the train part: what decoding by k2 can be composed with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

# Token number 0 is the CTC blank, which no transcript holds; here it stands for the edge of an utterance.
EDGE = 0


def train_bigram(transcripts: Iterable[Sequence[int]], num_tokens: int) -> np.ndarray:
    """Log probabilities (V, V) of the token of a column after the token of a row; 0 is the utterance's edge.

    Witten-Bell smoothing: a history gives as much weight to the unigram as it has different successors, and the
    unigram itself counts every token once more than it was seen.
    """
    counts = np.zeros((num_tokens, num_tokens))
    for tokens in transcripts:
        sequence = [EDGE, *tokens, EDGE]
        np.add.at(counts, (sequence[:-1], sequence[1:]), 1)
    unigram = (counts.sum(0) + 1) / (counts.sum() + num_tokens)
    successors = (counts > 0).sum(1, keepdims=True)
    # A history that was never seen has the unigram alone.
    weight = np.maximum(successors, 1)
    return np.log((counts + weight * unigram) / (counts.sum(1, keepdims=True) + weight))

"""A map of utterance embeddings, once per way of colouring it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from seq.report.plots import STYLE, plt, save_figure

# t-SNE (van der Maaten and Hinton 2008) of more would take minutes; the rest is left out, and the title says so.
MAX_POINTS = 2000
# With fewer points t-SNE has no neighbourhoods to keep: they are projected on their principal components.
MIN_POINTS = 30
PERPLEXITY = 30.0


def project(vectors: np.ndarray) -> np.ndarray:
    """(N, D) -> (N, 2): t-SNE, or principal components where N < 30; the same input gives the same map."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    scale = vectors.std(axis=0)
    vectors = (vectors - vectors.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    if not scale.any():
        return np.zeros((len(vectors), 2))
    if len(vectors) < MIN_POINTS:
        return PCA(2, svd_solver="full").fit_transform(vectors)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(vectors)


def plot_map(
    vectors: np.ndarray, colourings: Mapping[str, Sequence[str]], order: Sequence[str], title: str, path: Path
) -> None:
    """Draw the map of (N, D) embeddings side by side for each colouring (a name and N labels).

    Labels in `order` come in that order, others sorted after them.
    """
    chosen = np.arange(len(vectors))
    if len(vectors) > MAX_POINTS:
        chosen = np.sort(np.random.default_rng(0).choice(len(vectors), MAX_POINTS, replace=False))
        title += f" ({MAX_POINTS} of {len(vectors)} utterances)"
    points = project(vectors[chosen].astype(np.float64))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(colourings), figsize=(5.6 * len(colourings), 5.4), layout="constrained")
        for part, (name, labels) in zip(np.atleast_1d(axes), colourings.items(), strict=True):
            known = np.array(labels)[chosen]
            present = sorted(
                set(known.tolist()), key=lambda label: (order.index(label) if label in order else len(order), label)
            )
            palette = plt.get_cmap("tab10" if len(present) <= 10 else "tab20" if len(present) <= 20 else "turbo")
            for i, label in enumerate(present):
                colour = palette(i / (len(present) - 1) if len(present) > 20 else i)
                part.scatter(*points[known == label].T, s=16, color=colour, alpha=0.8, linewidths=0, label=label)
            part.set(xticks=[], yticks=[], title=f"by {name}")
            if len(present) <= 20:
                part.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4)
        figure.suptitle(title, fontsize=11)
        save_figure(figure, path)

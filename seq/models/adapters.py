"""Residual adapters: what a network hears in one corpus and in no other (Rebuffi et al. 2017, arXiv 1705.08045).

Corpora differ in rooms, languages and in what their raters call weak; a small network for each, added to what all
share, may take that up. Here it stands on the utterance's vector, below the heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Of the utterances in training, those that are heard as a stranger's are, so that a stranger's can be answered, too.
STRANGERS = 0.2


class CorpusAdapters(nn.Module):
    """x + up(SiLU(down(x))) with the matrices of an utterance's corpus; x alone where the corpus is none of them.

    It begins as x alone for all of them.
    """

    def __init__(self, num_corpora: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(num_corpora, hidden, dim))
        self.up = nn.Parameter(torch.zeros(num_corpora, dim, hidden))
        nn.init.normal_(self.down, std=dim**-0.5)

    def forward(self, x: Tensor, corpora: Tensor) -> Tensor:
        """(N, D) vectors and (N,) numbers of their corpora, from 0; -1 is none of them -> (N, D)."""
        if self.training:
            corpora = corpora.masked_fill(torch.rand(corpora.shape, device=corpora.device) < STRANGERS, -1)
        known = (corpora >= 0).unsqueeze(1)
        own = corpora.clamp(min=0)
        hidden = functional.silu(torch.einsum("nd,nhd->nh", x, self.down[own]))
        return x + known * torch.einsum("nh,ndh->nd", hidden, self.up[own])

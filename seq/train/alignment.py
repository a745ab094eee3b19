"""Which frames of a CTC output spell which token: the greedy path, and the best path of a known text."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

BLANK = 0


@dataclass(frozen=True)
class TokenSpan:
    """One token and the frames that spell it, `end` excluded."""

    token: int
    start: int
    end: int


def is_feasible(num_frames: int, target: list[int]) -> bool:
    """Whether CTC can spell `target` in `num_frames`: one frame a token, one blank between equal neighbours."""
    repeats = sum(a == b for a, b in itertools.pairwise(target))
    return num_frames >= max(1, len(target) + repeats)


def feasible_items(lengths: Tensor, targets: list[list[int]]) -> list[int]:
    """Positions of the items whose target fits into their frames."""
    return [i for i, (n, target) in enumerate(zip(lengths.tolist(), targets, strict=True)) if is_feasible(n, target)]


def path_spans(path: list[int]) -> list[TokenSpan]:
    """The spans of a path, one symbol a frame: runs of a token are one span, blanks are none."""
    spans, start = [], 0
    for token, run in itertools.groupby(path):
        end = start + sum(1 for _ in run)
        if token != BLANK:
            spans.append(TokenSpan(token, start, end))
        start = end
    return spans


def greedy_paths(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    """The best symbol of every frame of (N, T, V): on the CTC topology alone, that is the best path."""
    best = log_probs.argmax(dim=-1).cpu()
    return [best[i, :n].tolist() for i, n in enumerate(lengths.tolist())]


def best_paths(log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> list[list[int]]:
    """The most probable path that spells each target (Viterbi), one symbol a frame.

    Args:
        log_probs: (N, T, V), blank is 0.
        lengths: (N,) frames; every target must fit into them (`is_feasible`).
        targets: N token sequences; an empty one is spelt by blanks.
    """
    log_probs = log_probs.detach().cpu().double()
    num_items, num_frames, _ = log_probs.shape
    # A target of U tokens has 2 U + 1 states: its tokens, and a blank before, between and after them.
    states = torch.zeros(num_items, 2 * max(map(len, targets)) + 1, dtype=torch.long)
    for i, target in enumerate(targets):
        states[i, 1 : 2 * len(target) : 2] = torch.tensor(target, dtype=torch.long)
    emitted = log_probs.gather(2, states[:, None].expand(-1, num_frames, -1))
    # The blank between two tokens may be jumped over where they differ.
    jumps = torch.full(states.shape, -torch.inf, dtype=log_probs.dtype)
    jumps[:, 2:][(states[:, 2:] != BLANK) & (states[:, 2:] != states[:, :-2])] = 0.0
    score = torch.full(states.shape, -torch.inf, dtype=log_probs.dtype)
    score[:, :2] = emitted[:, 0, :2]
    scores, came_from = [score], []
    for t in range(1, num_frames):
        step = torch.nn.functional.pad(score, (1, 0), value=-torch.inf)[:, :-1]
        jump = torch.nn.functional.pad(score, (2, 0), value=-torch.inf)[:, : score.size(1)] + jumps
        best, skipped = torch.stack([score, step, jump]).max(dim=0)
        score = best + emitted[:, t]
        scores.append(score)
        came_from.append(skipped)
    return [
        _trace_back(states[i], [s[i] for s in scores[:n]], [c[i] for c in came_from[: n - 1]], len(targets[i]))
        for i, n in enumerate(lengths.tolist())
    ]


def _trace_back(states: Tensor, scores: list[Tensor], came_from: list[Tensor], num_tokens: int) -> list[int]:
    """The path that ends in the last token of one item or in the blank after it, whichever is more probable."""
    state = 2 * num_tokens
    if num_tokens and scores[-1][state - 1] > scores[-1][state]:
        state -= 1
    path = [int(states[state])]
    for skipped in reversed(came_from):
        state -= int(skipped[state])
        path.append(int(states[state]))
    return path[::-1]

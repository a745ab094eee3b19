"""CTC: against brute force over all alignments, and k2 against torch where k2 is installed."""

from __future__ import annotations

import importlib.util
import itertools
import math
import random
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from seq.errors import InputError
from seq.lang.bigram import train_bigram
from seq.train.alignment import path_spans
from seq.train.ctc import BLANK, TokenSpan, feasible_items, is_feasible, make_ctc

HAS_K2 = importlib.util.find_spec("k2") is not None
needs_k2 = pytest.mark.skipif(not HAS_K2, reason="k2 is not installed")
BACKENDS = ["torch", pytest.param("k2", marks=needs_k2)]


def collapse(path: tuple[int, ...]) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != BLANK]


def brute_force(log_probs: torch.Tensor, target: list[int]) -> float:
    frames, symbols = log_probs.shape
    paths = [path for path in itertools.product(range(symbols), repeat=frames) if collapse(path) == target]
    scores = [sum(float(log_probs[t, s]) for t, s in enumerate(path)) for path in paths]
    return -float(torch.logsumexp(torch.tensor(scores, dtype=torch.float64), 0))


@pytest.mark.parametrize("name", BACKENDS)
def test_loss_equals_the_sum_over_all_alignments(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.randn(4, 5, 3, generator=generator).log_softmax(-1)
    lengths = torch.tensor([5, 4, 3, 5])
    targets = [[1, 1], [1, 2], [2], []]
    losses = make_ctc(name).loss(log_probs, lengths, targets)
    for i, (n, target) in enumerate(zip(lengths.tolist(), targets, strict=True)):
        assert float(losses[i]) == pytest.approx(brute_force(log_probs[i, :n], target), rel=1e-4)


def test_feasibility_counts_repeats() -> None:
    assert is_feasible(3, [1, 1]) and not is_feasible(2, [1, 1])
    assert is_feasible(2, [1, 2]) and is_feasible(1, []) and not is_feasible(0, [])
    assert feasible_items(torch.tensor([2, 3, 1]), [[1, 1], [1, 1], [2]]) == [1, 2]


@pytest.mark.parametrize("name", BACKENDS)
def test_infeasible_items_cost_nothing_and_have_no_gradient(name: str) -> None:
    log_probs = torch.randn(2, 4, 3).log_softmax(-1).requires_grad_()
    losses = make_ctc(name).loss(log_probs, torch.tensor([4, 2]), [[1], [1, 1]])
    assert float(losses[1]) == 0.0 and torch.isfinite(losses).all()
    losses.sum().backward()
    assert (log_probs.grad[1] == 0).all() and (log_probs.grad[0] != 0).any()


@pytest.mark.parametrize("name", BACKENDS)
def test_decoding_removes_repeats_and_blanks(name: str) -> None:
    paths = [[1, 1, 0, 1, 2, 2], [0, 0, 2, 0, 0, 0], [2, 1, 0, 0, 0, 0]]
    log_probs = torch.nn.functional.one_hot(torch.tensor(paths), 3).float().mul(20).log_softmax(-1)
    spans = make_ctc(name).decode(log_probs, torch.tensor([6, 6, 1]))
    assert [[span.token for span in item] for item in spans] == [[1, 1, 2], [2], [2]]
    assert spans[0] == [TokenSpan(1, 0, 2), TokenSpan(1, 3, 4), TokenSpan(2, 4, 6)]


def best_path(log_probs: torch.Tensor, accepted: Callable[[list[int]], float]) -> tuple[int, ...]:
    """The path with the highest sum of frame scores and of what `accepted` gives its tokens (-inf refuses them)."""
    frames, symbols = log_probs.shape
    paths = itertools.product(range(symbols), repeat=frames)
    return max(paths, key=lambda p: sum(float(log_probs[t, s]) for t, s in enumerate(p)) + accepted(collapse(p)))


@pytest.mark.parametrize("name", BACKENDS)
def test_a_corpus_without_text_has_the_blank_alone(name: str) -> None:
    log_probs, lengths = torch.zeros(2, 4, 1), torch.tensor([4, 3])
    backend = make_ctc(name)
    assert backend.decode(log_probs, lengths) == [[], []] == backend.align(log_probs, lengths, [[], []])


@pytest.mark.parametrize("name", BACKENDS)
def test_alignment_is_the_best_of_all_paths(name: str) -> None:
    targets = [[1, 1], [1, 2], [2], [], [2, 1, 2], [1]]
    lengths = torch.tensor([5, 6, 1, 4, 2, 6])
    log_probs = torch.randn(6, 6, 3, generator=torch.Generator().manual_seed(3)).log_softmax(-1)
    aligned = make_ctc(name).align(log_probs, lengths, targets)
    assert aligned[4] is None
    for item in (0, 1, 2, 3, 5):
        wanted = targets[item]
        path = best_path(log_probs[item, : lengths[item]], lambda t, wanted=wanted: 0.0 if t == wanted else -math.inf)
        assert aligned[item] == path_spans(list(path)), (item, path)


@needs_k2
def test_bigram_decoding_is_the_best_of_all_paths() -> None:
    bigram = 1.5 * train_bigram([[1, 2, 1, 2], [1, 2], [2, 1]], 3)
    log_probs = torch.randn(8, 5, 3, generator=torch.Generator().manual_seed(5)).log_softmax(-1)
    lengths = torch.tensor([5, 4, 3, 2, 1, 5, 4, 5])

    def grammar(tokens: list[int]) -> float:
        return sum(float(bigram[pair]) for pair in itertools.pairwise([0, *tokens, 0]))

    expected = [path_spans(list(best_path(log_probs[i, :n], grammar))) for i, n in enumerate(lengths.tolist())]
    assert make_ctc("k2", bigram).decode(log_probs, lengths) == expected
    assert make_ctc("k2").decode(log_probs, lengths) != expected


def test_bigram_is_witten_bell_and_wants_k2() -> None:
    bigram = np.exp(train_bigram([[1, 2], [1, 1]], 4))
    assert np.allclose(bigram.sum(1), 1.0)
    # Token 1: three successors in three places, of two edges, three 1, one 2 in six; 3 was never seen.
    unigram = np.array([3, 4, 2, 1]) / 10
    assert np.allclose(bigram[1], (np.array([1, 1, 1, 0]) + 3 * unigram) / 6)
    assert np.allclose(bigram[3], unigram)
    with pytest.raises(InputError, match="bigram_scale needs k2"):
        make_ctc("torch", bigram)


@needs_k2
def test_k2_equals_torch_on_random_batches() -> None:
    rng = random.Random(0)
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        size, frames, symbols = rng.randint(1, 5), rng.randint(3, 40), rng.randint(2, 20)
        logits = torch.randn(size, frames, symbols, generator=generator)
        lengths = torch.tensor([rng.randint(1, frames) for _ in range(size)])
        targets = [[rng.randint(1, symbols - 1) for _ in range(rng.randint(0, 12))] for _ in range(size)]
        results = []
        for backend in (make_ctc("torch"), make_ctc("k2")):
            leaf = logits.clone().requires_grad_()
            losses = backend.loss(leaf.log_softmax(-1), lengths, targets)
            losses.sum().backward()
            results.append((losses.detach(), leaf.grad))
        torch.testing.assert_close(results[1][0], results[0][0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(results[1][1], results[0][1], rtol=0, atol=1e-3)


def test_choice_of_backend(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_ctc("torch").name == "torch"
    assert make_ctc("auto").name == ("k2" if HAS_K2 else "torch")
    # What `import k2` says of a k2 that was built for another torch, and what it is without one.
    monkeypatch.setitem(sys.modules, "k2", None)
    with pytest.raises(InputError, match=r"k2 does not import .* run tools/install_k2.sh"):
        make_ctc("k2")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert make_ctc("auto").name == "torch"
    assert "CTC by torch: k2 does not import" in capsys.readouterr().err

"""CTC: against brute force over all alignments, and k2 against torch where k2 is installed."""

from __future__ import annotations

import importlib.util
import itertools
import random

import pytest
import torch

from seq.ctc import BLANK, CtcBackend, TorchCtc, feasible_items, is_feasible, make_ctc
from seq.errors import InputError

HAS_K2 = importlib.util.find_spec("k2") is not None
BACKENDS = ["torch", pytest.param("k2", marks=pytest.mark.skipif(not HAS_K2, reason="k2 is not installed"))]


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
    assert make_ctc(name).decode(log_probs, torch.tensor([6, 6, 1])) == [[1, 1, 2], [2], [2]]


@pytest.mark.skipif(not HAS_K2, reason="k2 is not installed")
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


def test_choice_of_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_ctc("torch").name == "torch"
    if not HAS_K2:
        backend: CtcBackend = make_ctc("auto")
        assert isinstance(backend, TorchCtc)
        with pytest.raises(InputError, match=r"k2 does not import .* tools/setup.sh --with-k2"):
            make_ctc("k2")

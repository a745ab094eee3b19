"""CTC behind one small interface: k2 where it imports, torch otherwise. The only file that imports k2.

Both backends return the same numbers (tests hold them to it). What k2 adds is what can be composed with the
topology; what torch adds is that it is always there.
"""

from __future__ import annotations

import importlib.util
import itertools
from typing import Protocol

import torch
from torch import Tensor

from seq.errors import InputError

BLANK = 0
# Below about 20 k2 prunes paths that carry gradient, and its gradients differ from the exact ones.
K2_OUTPUT_BEAM = 20.0


class CtcBackend(Protocol):
    """What a backend offers."""

    name: str

    def loss(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> Tensor:
        """Negative log likelihood (N,) of each item; 0, without gradient, where the target cannot be spelled.

        Args:
            log_probs: (N, T, V) log probabilities, blank is 0.
            lengths: (N,) frames of each item.
            targets: N token sequences without blanks; an empty one is a valid target.
        """
        ...

    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
        """Best path of each item, repeats and blanks removed."""
        ...


def is_feasible(num_frames: int, target: list[int]) -> bool:
    """Whether CTC can spell `target` in `num_frames`: one frame a token, one blank between equal neighbours."""
    repeats = sum(a == b for a, b in itertools.pairwise(target))
    return num_frames >= max(1, len(target) + repeats)


def feasible_items(lengths: Tensor, targets: list[list[int]]) -> list[int]:
    """Positions of the items whose target fits into their frames."""
    return [i for i, (n, target) in enumerate(zip(lengths.tolist(), targets, strict=True)) if is_feasible(n, target)]


def _greedy(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    # On the CTC topology alone the best path takes the best symbol of every frame.
    best = log_probs.argmax(dim=-1).cpu()
    return [
        [token for token in torch.unique_consecutive(best[i, :n]).tolist() if token != BLANK]
        for i, n in enumerate(lengths.tolist())
    ]


class TorchCtc:
    """CTC by `torch.nn.functional.ctc_loss`."""

    name = "torch"

    def loss(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> Tensor:
        keep = feasible_items(lengths, targets)
        losses = log_probs.new_zeros(log_probs.size(0))
        if not keep:
            return losses
        kept = [targets[i] for i in keep]
        index = torch.tensor(keep, device=log_probs.device)
        values = torch.nn.functional.ctc_loss(
            log_probs[index].transpose(0, 1),
            torch.tensor([token for target in kept for token in target], dtype=torch.long, device=log_probs.device),
            lengths[index],
            torch.tensor([len(target) for target in kept], device=log_probs.device),
            blank=BLANK,
            reduction="none",
        )
        return losses.index_copy(0, index, values)

    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
        return _greedy(log_probs, lengths)


class K2Ctc:
    """CTC by k2: linear graphs composed with the CTC topology, intersected with the network's output."""

    name = "k2"

    def __init__(self) -> None:
        try:
            import k2
        except (ImportError, OSError) as error:
            raise InputError(
                f"ctc.backend is k2, but k2 does not import ({error}): run tools/setup.sh --with-k2, "
                "or set ctc.backend to torch"
            ) from error
        self._k2 = k2

    def _dense(self, log_probs: Tensor, lengths: Tensor, items: list[int]) -> object:
        segments = torch.tensor([[i, 0, int(lengths[i])] for i in items], dtype=torch.int32)
        return self._k2.DenseFsaVec(log_probs, segments)

    def _by_length(self, lengths: Tensor, items: list[int]) -> list[int]:
        # k2 wants supervision segments by decreasing length; the graphs go along.
        return sorted(items, key=lambda i: -int(lengths[i]))

    def loss(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> Tensor:
        losses = log_probs.new_zeros(log_probs.size(0))
        items = self._by_length(lengths, feasible_items(lengths, targets))
        if not items:
            return losses
        graphs = self._k2.ctc_graph([targets[i] for i in items], modified=False, device=log_probs.device)
        values = self._k2.ctc_loss(
            decoding_graph=graphs,
            dense_fsa_vec=self._dense(log_probs, lengths, items),
            output_beam=K2_OUTPUT_BEAM,
            reduction="none",
            use_double_scores=True,
        )
        return losses.index_copy(0, torch.tensor(items, device=log_probs.device), values.to(losses.dtype))

    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
        k2 = self._k2
        items = self._by_length(lengths, list(range(log_probs.size(0))))
        topology = k2.ctc_topo(log_probs.size(-1) - 1, modified=False, device=log_probs.device)
        lattice = k2.intersect_dense_pruned(
            topology,
            self._dense(log_probs, lengths, items),
            search_beam=K2_OUTPUT_BEAM,
            output_beam=K2_OUTPUT_BEAM,
            min_active_states=30,
            max_active_states=10000,
        )
        paths = k2.shortest_path(lattice, use_double_scores=True)
        hypotheses: list[list[int]] = [[] for _ in items]
        for position, item in enumerate(items):
            # The last arc's label is -1, k2's end of sequence.
            hypotheses[item] = [token for token in paths[position].aux_labels.tolist() if token > BLANK]
        return hypotheses


def make_ctc(backend: str = "auto") -> CtcBackend:
    """The backend called `backend`; `auto` is k2 where it imports, torch otherwise.

    Raises:
        InputError: k2 is asked for by name and does not import.
    """
    if backend == "torch" or (backend == "auto" and importlib.util.find_spec("k2") is None):
        return TorchCtc()
    try:
        return K2Ctc()
    except InputError:
        if backend == "auto":
            return TorchCtc()
        raise

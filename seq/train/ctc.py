"""CTC behind one small interface: k2 where it imports, torch otherwise. The only file that imports k2.

Both backends return the same numbers (tests hold them to it). What k2 adds is what can be composed with the
topology: here a bigram over tokens. What torch adds is that it is always there.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from seq.errors import InputError
from seq.train.alignment import BLANK, TokenSpan, best_paths, feasible_items, greedy_paths, is_feasible, path_spans
from seq.utils.files import atomic_path

__all__ = ["BLANK", "CtcBackend", "K2Ctc", "TokenSpan", "TorchCtc", "feasible_items", "is_feasible", "make_ctc"]

# Below about 20 k2 prunes paths that carry gradient, and its gradients differ from the exact ones.
K2_OUTPUT_BEAM = 20.0


class CtcBackend(Protocol):
    """What a backend offers; log probabilities are (N, T, V) with blank 0, and `lengths` (N,) counts frames."""

    name: str

    def loss(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> Tensor:
        """Negative log likelihood (N,) of each item; 0, without gradient, where the target cannot be spelled.

        Args:
            log_probs: (N, T, V).
            lengths: (N,).
            targets: N token sequences without blanks; an empty one is a valid target.
        """
        ...

    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[TokenSpan]]:
        """The tokens of each item's best path, with the frames that spell them."""
        ...

    def align(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> list[list[TokenSpan] | None]:
        """The frames that most probably spell each target; None where the target cannot be spelled."""
        ...


class TorchCtc:
    """CTC by `torch.nn.functional.ctc_loss`."""

    name = "torch"

    def loss(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> Tensor:
        keep = feasible_items(lengths, targets)
        losses = _zeros(log_probs)
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

    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[TokenSpan]]:
        return [path_spans(path) for path in greedy_paths(log_probs, lengths)]

    def align(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> list[list[TokenSpan] | None]:
        spans: list[list[TokenSpan] | None] = [None] * len(targets)
        if keep := feasible_items(lengths, targets):
            paths = best_paths(log_probs[keep], lengths[keep], [targets[i] for i in keep])
            for i, path in zip(keep, paths, strict=True):
                spans[i] = path_spans(path)
        return spans


class K2Ctc:
    """CTC by k2: graphs of the targets, or one decoding graph, intersected with the network's output."""

    name = "k2"

    def __init__(self, bigram: np.ndarray | None = None) -> None:
        """Args:
            bigram: (V, V) log scores of `seq.lang.bigram` that decoding composes the topology with.

        Raises:
            InputError: k2 does not import.
        """
        self._k2 = _import_k2()
        self._bigram = bigram
        self._topology: Any = None

    def loss(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> Tensor:
        losses = _zeros(log_probs)
        items = _by_length(lengths, feasible_items(lengths, targets))
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

    def decode(self, log_probs: Tensor, lengths: Tensor) -> list[list[TokenSpan]]:
        items = _by_length(lengths, list(range(log_probs.size(0))))
        lattice = self._k2.intersect_dense_pruned(
            self._decoding_graph(log_probs),
            self._dense(log_probs, lengths, items),
            search_beam=K2_OUTPUT_BEAM,
            output_beam=K2_OUTPUT_BEAM,
            min_active_states=30,
            max_active_states=10000,
        )
        return self._best_spans(lattice, items)

    def align(self, log_probs: Tensor, lengths: Tensor, targets: list[list[int]]) -> list[list[TokenSpan] | None]:
        spans: list[list[TokenSpan] | None] = [None] * len(targets)
        items = _by_length(lengths, feasible_items(lengths, targets))
        if items:
            graphs = self._k2.ctc_graph([targets[i] for i in items], modified=False, device=log_probs.device)
            dense = self._dense(log_probs, lengths, items)
            lattice = self._k2.intersect_dense(graphs, dense, output_beam=K2_OUTPUT_BEAM)
            found = self._best_spans(lattice, items)
            for i in items:
                spans[i] = found[i]
        return spans

    def _dense(self, log_probs: Tensor, lengths: Tensor, items: list[int]) -> Any:
        segments = torch.tensor([[i, 0, int(lengths[i])] for i in items], dtype=torch.int32)
        return self._k2.DenseFsaVec(log_probs, segments)

    def _decoding_graph(self, log_probs: Tensor) -> Any:
        if self._topology is None:
            self._topology = self._k2.ctc_topo(log_probs.size(-1) - 1, modified=False)
            if self._bigram is not None:
                grammar = self._k2.arc_sort(self._k2.add_epsilon_self_loops(_bigram_fsa(self._k2, self._bigram)))
                graph = self._k2.compose(self._topology, grammar, treat_epsilons_specially=False)
                self._topology = self._k2.arc_sort(self._k2.connect(graph))
        return self._topology.to(log_probs.device)

    def _best_spans(self, lattice: Any, items: list[int]) -> list[list[TokenSpan]]:
        """Spans of every item's best path, in the batch's order; `items` is the lattice's order."""
        paths = self._k2.shortest_path(lattice, use_double_scores=True)
        spans: list[list[TokenSpan]] = [[] for _ in range(max(items) + 1)]
        for position, item in enumerate(items):
            # The last arc's label is -1, k2's end of sequence.
            spans[item] = path_spans(paths[position].labels.tolist()[:-1])
        return spans


def _import_k2() -> Any:
    try:
        import k2
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"k2 does not import ({error}): run tools/install_k2.sh, which takes the k2 that fits this torch "
            f"({torch.__version__}), or set ctc.backend to torch"
        ) from error
    return k2


def _zeros(log_probs: Tensor) -> Tensor:
    """(N,) zeros that gradients can pass, as zeros: a batch in which nothing is feasible is trained on, too."""
    return torch.where(torch.zeros((), dtype=torch.bool, device=log_probs.device), log_probs[:, 0, 0], 0.0)


def _by_length(lengths: Tensor, items: list[int]) -> list[int]:
    # k2 wants supervision segments by decreasing length; targets go along.
    return sorted(items, key=lambda i: -int(lengths[i]))


def _bigram_fsa(k2: Any, bigram: np.ndarray) -> Any:
    """An acceptor with a state per history; row and column 0 of `bigram` are the utterance's edge."""
    final = len(bigram)
    lines = []
    for history, row in enumerate(bigram.tolist()):
        lines += [f"{history} {token} {token} {score}" for token, score in enumerate(row) if token != BLANK]
        lines.append(f"{history} {final} -1 {row[BLANK]}")
    return k2.Fsa.from_str("\n".join([*lines, str(final)]), num_aux_labels=0)


def write_lexicon_fst(arcs: list[tuple[int, int, int, int]], path: Path) -> None:
    """Write a transducer as icefall's `L.pt`.

    Args:
        arcs: (from, to, token, word), sorted; state 0 is the start, the one with the highest number final.
        path: where the file goes, whole or not at all.

    Raises:
        InputError: k2 does not import.
    """
    k2 = _import_k2()
    lines = [f"{start} {end} {token} {word} 0" for start, end, token, word in arcs]
    final = max(end for _, end, _, _ in arcs)
    fst = k2.Fsa.from_str("\n".join([*lines, str(final)]), num_aux_labels=1)
    with atomic_path(path) as temporary:
        torch.save(k2.arc_sort(fst).as_dict(), temporary)


def make_ctc(backend: str = "auto", bigram: np.ndarray | None = None) -> CtcBackend:
    """The backend called `backend`; `auto` is k2 where it imports, torch otherwise.

    Args:
        backend: "auto", "k2" or "torch".
        bigram: log scores to decode with, see `K2Ctc`.

    Raises:
        InputError: k2 is asked for, by name or by a bigram, and does not import.
    """
    if bigram is not None:
        if backend == "torch":
            raise InputError("decode.bigram_scale needs k2: set ctc.backend to k2, or decode.bigram_scale to 0")
        return K2Ctc(bigram)
    if backend == "torch" or (backend == "auto" and importlib.util.find_spec("k2") is None):
        return TorchCtc()
    try:
        return K2Ctc()
    except InputError as error:
        if backend == "k2":
            raise
        print(f"CTC by torch: {error}", file=sys.stderr)
        return TorchCtc()

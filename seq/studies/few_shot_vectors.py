"""What a run of the source experiment makes of the target's utterances: a vector each, and a classifier on them.

embedding         the vector that the network's heads read, and its own head
prototypes        the vector of a prototypical network on the statistics of the encoder's hidden states
cross-attention   the vector of a network on the encoder's frames, MFCC and prosody

The last two are trained here, on the run's own train part, with its valid part to choose by: nobody else is heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lhotse import MonoCut
from torch import Tensor

from seq.audio.reading import load_cut_audio
from seq.data.encoded import summarise
from seq.data.fbank import FRAME_SHIFT_SECONDS
from seq.data.shar import open_cuts
from seq.errors import InputError
from seq.models.model import SpeechEqModel
from seq.models.pretrained.spec import FRAME_SECONDS as ENCODER_FRAME_SECONDS
from seq.score.draws import Labelled
from seq.studies.few_shot_attention import (
    FRAME_SECONDS,
    Streams,
    acoustic_streams,
    join_frames,
    run_in_batches,
    train_cross_attention,
)
from seq.studies.few_shot_prototypes import LabelledVectors, class_means, train_prototypes
from seq.studies.few_shot_refit import Linear
from seq.studies.kept_arrays import Arrays, kept_arrays
from seq.tasks.registry import main_task
from seq.train.answers import inputs_of
from seq.utils.files import atomic_path
from seq.utils.pool import pool_map
from seq.utils.progress import progress_bar

STREAMS_VERSION = 1
STREAMS = ("mfcc", "prosody")
# MFCC and prosody by utterance.
Acoustics = Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Space:
    """A vector (D,) of each utterance, by id, and what the source knows of the classes there."""

    vectors: dict[str, np.ndarray]
    classifier: Linear

    def of(self, utterances: Sequence[Labelled]) -> np.ndarray:
        """Their vectors (N, D)."""
        return np.stack([self.vectors[item.id] for item in utterances])


def corpus_acoustics(cuts: Path, cache: Path, num_jobs: int = 1) -> dict[str, tuple[Tensor, Tensor]]:
    """MFCC and prosody of all utterances of stage 1's manifest, by id; kept in `cache` until the manifest changes.

    Raises:
        InputError: the manifest is missing, or audio cannot be read.
    """

    def compute(items: list[MonoCut]) -> Arrays:
        found = pool_map(_acoustics_of, items, num_jobs, chunk_size=16)
        pairs = list(progress_bar(found, total=len(items), desc="MFCC and prosody", unit="utt"))
        arrays: Arrays = {}
        for name, part in zip(STREAMS, zip(*pairs, strict=True), strict=True):
            arrays |= {name: torch.cat(part).numpy(), f"{name}_lengths": np.array([len(item) for item in part])}
        return arrays

    kept = kept_arrays(cuts, cache, str(STREAMS_VERSION), compute)
    parts = [_split(kept[name], kept[f"{name}_lengths"]) for name in STREAMS]
    return dict(zip(kept["ids"].tolist(), zip(*parts, strict=True), strict=True))


def _acoustics_of(cut: Any) -> tuple[Tensor, Tensor]:
    return acoustic_streams(load_cut_audio(cut))


def _split(rows: np.ndarray, lengths: np.ndarray) -> list[Tensor]:
    return list(torch.from_numpy(rows).split(lengths.tolist()))


@dataclass
class _Heard:
    """What is known of utterances, in their order."""

    embeddings: list[np.ndarray]
    statistics: list[Tensor]
    streams: list[Streams]


@torch.no_grad()
def _hear(model: SpeechEqModel, manifest: Path, items: Sequence[Labelled], acoustics: Acoustics) -> _Heard:
    """Let a run's network hear utterances that stage 2 has prepared."""
    by_id: dict[str, tuple[np.ndarray, Tensor, Streams]] = {}
    cuts = open_cuts(manifest, [item.id for item in items])
    for cut in progress_bar(cuts, total=len(items), desc=f"hearing {manifest.name}", unit="utt"):
        inputs = inputs_of(model, cut)
        feature = inputs[0][0]
        statistics = inputs[2][0] if len(inputs) > 2 else summarise([feature])
        frame = ENCODER_FRAME_SECONDS if model.front_end.reads == "frames" else FRAME_SHIFT_SECONDS
        frames = join_frames(feature.numpy(), round(FRAME_SECONDS / frame))
        embedding = model(*inputs).embedding[0].numpy()
        by_id[cut.id] = embedding, _chosen(model, statistics), Streams(frames, *acoustics[cut.id])
    if lost := next((item.id for item in items if item.id not in by_id), None):
        raise InputError(f"{manifest} lacks {lost}: run stage 2 (features) again")
    rows = [by_id[item.id] for item in items]
    return _Heard([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def _chosen(model: SpeechEqModel, statistics: Tensor) -> Tensor:
    """The statistics (L, 2 C) of the hidden states that the network's own heads read, flat; of fbank all."""
    wanted = [number for number in model.spec.model.statistics_layers if number < len(statistics)]
    return statistics[wanted].flatten() if wanted and model.front_end.reads == "frames" else statistics.flatten()


def make_spaces(
    model: SpeechEqModel,
    classes: Sequence[str],
    source: tuple[Path, Sequence[Labelled], Sequence[Labelled], Acoustics],
    target: tuple[Path, Sequence[Labelled], Acoustics],
    seed: int,
) -> dict[str, Space]:
    """The spaces of one run, by name.

    Args:
        model: the run's network.
        classes: the common ones; the network's other classes are left out.
        source: manifest of stage 2, train, valid, and the acoustics of both.
        target: manifest of stage 2, utterances, and their acoustics.
        seed: of what is trained here.
    """
    train, valid = (_hear(model, source[0], part, source[3]) for part in source[1:3])
    heard = _hear(model, target[0], target[1], target[2])
    ids = [item.id for item in target[1]]
    labels, valid_labels = (torch.tensor([item.label for item in part]) for part in source[1:3])
    space = partial(_space, ids)

    speakers, valid_speakers = (np.array([item.speaker for item in part]) for part in source[1:3])
    learnt, chosen_by = (
        LabelledVectors(torch.stack(part.statistics), found, who)
        for part, found, who in ((train, labels, speakers), (valid, valid_labels, valid_speakers))
    )
    network = train_prototypes(learnt, chosen_by, len(classes), seed)
    with torch.no_grad():
        vectors, known = (network(x).numpy() for x in (torch.stack(heard.statistics), learnt.vectors))
    means = class_means(known, labels.numpy(), len(classes))

    attention = train_cross_attention((train.streams, labels), (valid.streams, valid_labels), len(classes), seed)
    attended = run_in_batches(attention, heard.streams)[0].numpy()
    return {
        "embedding": space(np.stack(heard.embeddings), _own_head(model, classes)),
        "prototypes": space(vectors, means),
        "cross-attention": space(attended, _linear(attention.classifier)),
    }


def _space(ids: list[str], vectors: np.ndarray, classifier: Linear) -> Space:
    return Space(dict(zip(ids, vectors.astype(np.float64), strict=True)), classifier)


def _linear(layer: torch.nn.Module) -> Linear:
    assert isinstance(layer, torch.nn.Linear)
    return Linear(layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy())


def _own_head(model: SpeechEqModel, classes: Sequence[str]) -> Linear:
    task = main_task().name
    head, labels = _linear(model.heads[task]), model.spec.outputs[task].labels
    rows = [labels.index(name) for name in classes]
    return Linear(head.weights[rows], head.bias[rows])


def save_spaces(path: Path, spaces: Mapping[str, Space]) -> None:
    """Write spaces as one .npz, loadable without pickle."""
    arrays: dict[str, Any] = {"names": np.array(list(spaces))}
    for number, space in enumerate(spaces.values()):
        arrays |= {"ids": np.array(list(space.vectors)), f"vectors_{number}": np.stack(list(space.vectors.values()))}
        arrays |= {f"weights_{number}": space.classifier.weights, f"bias_{number}": space.classifier.bias}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load_spaces(path: Path) -> dict[str, Space]:
    """Inverse of `save_spaces`."""
    with np.load(path, allow_pickle=False) as stored:
        ids = stored["ids"].tolist()
        return {
            str(name): Space(
                dict(zip(ids, stored[f"vectors_{i}"], strict=True)),
                Linear(stored[f"weights_{i}"], stored[f"bias_{i}"]),
            )
            for i, name in enumerate(stored["names"])
        }

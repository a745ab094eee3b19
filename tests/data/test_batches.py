"""Mini-batches of training are filled by what they hold once they are augmented."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from corpus_builders import fbank_and_labels

from seq.conf import AugmentConf, FeaturesConf
from seq.data.batches import PAD_TO, SpeechDataset, train_loader

BATCH_SECONDS = 12.0


@pytest.mark.parametrize("speed_prob", [0.0, 0.5])
def test_batches_are_as_long_as_the_epoch_hears_them(tmp_path: Path, speed_prob: float) -> None:
    pytest.importorskip("soxr")
    cuts, labeller = fbank_and_labels(tmp_path)
    seconds_of = {cut.id: cut.duration for cut in cuts}
    # Without a changed speed what stage 2 wrote is read, with one it is computed from the audio.
    dataset = SpeechDataset(labeller, FeaturesConf(), AugmentConf(speed_prob=speed_prob), torch.zeros(80))
    loader = train_loader(cuts, dataset, BATCH_SECONDS, 0)
    epochs: list[Sequence[tuple[str, int]]] = []
    for number in range(2):
        dataset.epoch.number = number
        loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        heard = []
        for batch in loader:
            assert len(batch.ids) == 1 or batch.feature.size(1) * len(batch.ids) <= 100 * BATCH_SECONDS + 16 * PAD_TO
            heard += list(zip(batch.ids, batch.feature_lens.tolist(), strict=True))
        epochs.append(heard)
        by_id = {cut.id: cut for cut in cuts}
        for id_, num_frames in heard:
            assert num_frames == pytest.approx(100 * dataset.seconds(by_id[id_]), abs=1.5)
        assert sorted(id_ for id_, _ in heard) == sorted(by_id)
        assert max(abs(num_frames / seconds_of[id_] / 100 - 1) for id_, num_frames in heard) > 0.1
    assert epochs[0] != epochs[1]
    dataset.augment = None
    assert [dataset.seconds(cut) for cut in cuts] == list(seconds_of.values())

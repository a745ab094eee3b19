"""Augmentation: what it does, what it leaves alone, and that its draws are a function of seed, epoch and cut."""

from __future__ import annotations

import random

import torch

from seq.conf import AugmentConf
from seq.data.augment import LOG_ENERGY_FLOOR, augment_fbank, cut_random, draw_pace, warp

OFF = AugmentConf(frequency_warp=0, gain_db=0, time_masks=0, frequency_masks=0)
FILL = torch.arange(80, dtype=torch.float32) / 100 - 8


def fbank(num_frames: int = 200) -> torch.Tensor:
    return torch.randn(num_frames, 80, generator=torch.Generator().manual_seed(0)) - 6


def test_nothing_on_changes_nothing() -> None:
    feature = fbank()
    torch.testing.assert_close(augment_fbank(feature, OFF, FILL, random.Random(0)), feature, atol=1e-3, rtol=0)


def test_tempo_changes_the_number_of_frames_and_frequency_moves_peaks() -> None:
    feature = torch.full((100, 80), -6.0)
    feature[:, 40] = 0.0
    assert warp(feature, 1.25, 1.0).shape == (80, 80)
    assert warp(feature, 0.8, 1.0).shape == (125, 80)
    # Filter g of the result is filter g * factor of the source.
    assert int(warp(feature, 1.0, 0.8).mean(0).argmax()) == 50
    assert int(warp(feature, 1.0, 1.25).mean(0).argmax()) == 32


def test_gain_is_exact_in_decibels_and_keeps_the_floor() -> None:
    conf = AugmentConf(frequency_warp=0, gain_db=10, time_masks=0, frequency_masks=0)
    feature = fbank()
    rng = random.Random(5)
    out = augment_fbank(feature, conf, FILL, rng)
    shift = (out - feature)[feature > LOG_ENERGY_FLOOR + 3]
    assert float(shift.std()) < 1e-4 and 0 < abs(float(shift.mean())) <= 10 * 0.2302586
    assert float(augment_fbank(torch.full((50, 80), LOG_ENERGY_FLOOR), conf, FILL, rng).min()) >= LOG_ENERGY_FLOOR


def test_masks_hold_the_training_mean_and_are_bounded() -> None:
    conf = AugmentConf(
        frequency_warp=0,
        gain_db=0,
        time_masks=3,
        time_mask_frames=500,
        frequency_masks=2,
        frequency_mask_bins=10,
    )
    feature = fbank(60)
    for seed in range(50):
        out = augment_fbank(feature, conf, FILL, random.Random(seed))
        changed = (out - feature).abs() > 1e-4
        torch.testing.assert_close(out[changed], FILL.expand_as(out)[changed])
        # Three masks of at most a fifth of the utterance each.
        assert int(changed.all(dim=1).sum()) <= 3 * 12
        assert int(changed.all(dim=0).sum()) <= 2 * 10


def test_draws_depend_on_seed_epoch_and_cut_alone() -> None:
    feature, conf = fbank(), AugmentConf()

    def draw(seed: int, epoch: int, cut: str) -> torch.Tensor:
        return augment_fbank(feature, conf, FILL, cut_random(seed, epoch, cut))

    torch.testing.assert_close(draw(0, 1, "a"), draw(0, 1, "a"), rtol=0, atol=0)
    for other in (draw(1, 1, "a"), draw(0, 2, "a"), draw(0, 1, "b")):
        assert not torch.equal(other, draw(0, 1, "a"))


def test_paces_depend_on_seed_epoch_and_cut_alone_and_fill_their_ranges() -> None:
    conf = AugmentConf(speed_prob=0.5, speed=0.1, tempo=0.2)
    paces = [draw_pace(conf, seed, epoch, f"cut{i}") for seed in range(2) for epoch in range(2) for i in range(100)]
    assert len(set(paces)) == 400 and paces[0] == draw_pace(conf, 0, 0, "cut0")
    assert 0.8 < min(pace.tempo for pace in paces) < 0.81 and 1.19 < max(pace.tempo for pace in paces) < 1.2
    changed = [pace.speed for pace in paces if pace.speed != 1.0]
    assert 160 <= len(changed) <= 240 and 0.9 < min(changed) < 0.91 and 1.09 < max(changed) < 1.1
    still = draw_pace(AugmentConf(speed_prob=0.0, tempo=0.0), 0, 0, "cut0")
    assert still.seconds(3.2) == 3.2


def test_the_stored_feature_is_not_touched() -> None:
    feature = fbank()
    copy = feature.clone()
    augment_fbank(feature, AugmentConf(), FILL, random.Random(0))
    assert torch.equal(feature, copy)

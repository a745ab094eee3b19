"""95 % intervals over speakers, and a paired test over speakers.

Utterances of one speaker are alike, so speakers, not utterances, are what is sampled.

- 20 speakers or more: bootstrap. Whole speakers are drawn with replacement; the interval is the expanded
  percentile interval, whose two tails are widened from 2.5 % to Phi(-sqrt(n / (n - 1)) t) so that it has the
  length of a t interval (Hesterberg 2015, "What teachers should know about the bootstrap").
- 2 to 19 speakers: a t interval with n - 1 degrees of freedom, centred on the metric itself, with the
  leave-one-speaker-out jackknife's standard error. Where the metric is a mean over speakers (UA and WA of a
  balanced corpus) this is exactly the t interval over per-speaker values; where it is not (macro-F1, PER,
  unbalanced classes) the mean of per-speaker values would be another quantity, and could lie outside.
- Fewer, or all speakers exactly alike (then there is no spread to estimate from): none.

The intervals speak of new speakers for the models at hand: not of new training runs or new sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from seq.tasks.statistics import Statistic

LEVEL = 0.95
POWER = 0.8
NUM_DRAWS = 2000
MIN_BOOTSTRAP_SPEAKERS = 20
# 2^16 patterns are fewer than the draws that more speakers get.
MAX_EXACT_SPEAKERS = 16
# Sign patterns that are held in memory at once.
BATCH = 10_000


def method_name(num_speakers: int) -> str:
    """How the interval over `num_speakers` speakers is made, as printed beside it."""
    if num_speakers < 2:
        return "none (fewer than 2 speakers)"
    if num_speakers < MIN_BOOTSTRAP_SPEAKERS:
        return f"t over {num_speakers} speakers"
    return f"speaker bootstrap, n={num_speakers}"


def mean_values(runs: Sequence[Statistic], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Those metrics that all runs (seeds) have, averaged: weights (D, S) to (D,) each; runs share their speakers."""
    values = [run.values(weights) for run in runs]
    common = [name for name in values[0] if all(name in value for value in values)]
    return {name: np.mean([value[name] for value in values], axis=0) for name in common}


def intervals(runs: Sequence[Statistic], num_draws: int = NUM_DRAWS, seed: int = 0) -> dict[str, list[float] | None]:
    """95 % interval of each metric's mean over `runs`, which share their speakers; None where there is none."""
    num_speakers, bounds = len(runs[0].speakers), runs[0].bounds
    if num_speakers < 2:
        return dict.fromkeys(bounds)
    if num_speakers < MIN_BOOTSTRAP_SPEAKERS:
        ends = _jackknife_t(runs, num_speakers)
    else:
        ends = _bootstrap(runs, num_speakers, num_draws, seed)
    result: dict[str, list[float] | None] = {}
    for name, (low, high) in ends.items():
        known = np.isfinite(low) and np.isfinite(high) and high > low
        result[name] = [float(end) for end in np.clip((low, high), *bounds[name])] if known else None
    return result


def crossed_intervals(draws: Sequence[Statistic]) -> dict[str, list[float] | None]:
    """95 % interval of each metric's mean over random draws that share their speakers, both of them sampled.

    A t interval with one degree of freedom fewer than speakers: its variance is that over speakers (the jackknife's, of
    the mean over draws) and that over draws (of their mean). What speakers and draws have in common is in both, so the
    interval is rather too long than too short. None where there is one speaker, or no spread.
    """
    num_speakers, bounds = len(draws[0].speakers), draws[0].bounds
    if num_speakers < 2:
        return dict.fromkeys(bounds)
    everyone = np.ones((1, num_speakers))
    each = {name: [draw.values(everyone)[name][0] for draw in draws] for name in bounds}
    quantile = t_quantile((1 + LEVEL) / 2, num_speakers - 1)
    result: dict[str, list[float] | None] = {}
    for name, values in mean_values(draws, 1.0 - np.eye(num_speakers)).items():
        variance = (num_speakers - 1) * values.var()
        variance += np.var(each[name], ddof=1) / len(draws) if len(draws) > 1 else 0.0
        half = quantile * np.sqrt(variance)
        ends = np.clip((np.mean(each[name]) - half, np.mean(each[name]) + half), *bounds[name])
        result[name] = [float(end) for end in ends] if np.isfinite(half) and half > 1e-12 else None
    return result


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t."""
    return float(special.stdtrit(degrees, probability))


def _jackknife_t(runs: Sequence[Statistic], num_speakers: int) -> dict[str, tuple[float, float]]:
    everyone = mean_values(runs, np.ones((1, num_speakers)))
    left_out = mean_values(runs, 1.0 - np.eye(num_speakers))
    quantile = t_quantile((1 + LEVEL) / 2, num_speakers - 1)
    ends = {}
    for name, values in left_out.items():
        error = np.sqrt(num_speakers - 1) * values.std()
        # Rounding leaves about 1e-16 where all speakers are alike.
        half = quantile * error if error > 1e-12 else 0.0
        ends[name] = (everyone[name][0] - half, everyone[name][0] + half)
    return ends


def _bootstrap(
    runs: Sequence[Statistic], num_speakers: int, num_draws: int, seed: int
) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(num_speakers, np.full(num_speakers, 1 / num_speakers), num_draws).astype(float)
    quantile = t_quantile((1 + LEVEL) / 2, num_speakers - 1)
    tail = special.ndtr(-quantile * np.sqrt(num_speakers / (num_speakers - 1)))
    ends = {}
    for name, values in mean_values(runs, weights).items():
        low, high = np.quantile(values, (tail, 1 - tail))
        ends[name] = (low, high) if high - low > 1e-12 else (low, low)
    return ends


@dataclass(frozen=True)
class PairedTest:
    """Result of `paired_test`; `p_value` is None where no outcome could have reached 0.05."""

    difference: float
    num_speakers: int
    p_value: float | None

    def __str__(self) -> str:
        if self.p_value is None:
            return f"untestable (n={self.num_speakers})"
        return f"p = {self.p_value:.4f} (n={self.num_speakers})"


def paired_by_speaker(
    first: Mapping[str, Mapping[str, float | None]], second: Mapping[str, Mapping[str, float | None]], metric: str
) -> tuple[list[float], list[float]]:
    """The values of a metric of the speakers that two systems share and that both have one for, in the same order."""
    common = ((first[name][metric], second[name][metric]) for name in sorted(set(first) & set(second)))
    pairs = [(one, other) for one, other in common if one is not None and other is not None]
    return [one for one, _ in pairs], [other for _, other in pairs]


def paired_test(first: Sequence[float], second: Sequence[float], num_draws: int = 100_000, seed: int = 0) -> PairedTest:
    """Two-sided sign-flip permutation test of the mean difference first - second, one value per speaker.

    Exact up to 16 speakers (all 2^n sign patterns), Monte Carlo beyond. The smallest p that n speakers can
    reach is 2 / 2^n, so fewer than 6 are untestable at 0.05.
    """
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    n = len(differences)
    if 2 / 2**n > 1 - LEVEL:
        return PairedTest(float(differences.mean()) if n else float("nan"), n, None)
    # Imported where it is used: it takes longer than a score needs.
    from scipy import stats

    # An n_resamples of 2^n or more makes scipy go through all patterns; below, it counts the observed one as one of
    # the draws, so that p is never 0.
    result = stats.permutation_test(
        (differences,),
        _distance,
        permutation_type="samples",
        alternative="greater",
        n_resamples=2**n if n <= MAX_EXACT_SPEAKERS else num_draws,
        batch=BATCH,
        rng=seed,
    )
    return PairedTest(float(differences.mean()), n, float(result.pvalue))


@dataclass(frozen=True)
class Difference:
    """What one system has more than another, as a mean over the speakers of both.

    `ends`: 95 % t interval over speakers; None for fewer than 2, or where all are alike. `p_value`: of `paired_test`.
    `detectable`: the smallest difference that a t test over as many speakers, as far apart, finds four times in five.
    """

    mean: float
    ends: tuple[float, float] | None
    p_value: float | None
    detectable: float | None
    num_speakers: int


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """`first` beside `second`, one value per speaker."""
    test = paired_test(first, second)
    n = test.num_speakers
    error = float(np.subtract(first, second).std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    if error < 1e-12:
        return Difference(test.difference, None, test.p_value, None, n)
    half = t_quantile((1 + LEVEL) / 2, n - 1) * error
    needed = (t_quantile((1 + LEVEL) / 2, n - 1) + t_quantile(POWER, n - 1)) * error
    return Difference(test.difference, (test.difference - half, test.difference + half), test.p_value, needed, n)


def holm(found: Sequence[Difference]) -> list[Difference]:
    """The same with p-values that hold for all of them together (Holm 1979); untestable ones do not count."""
    tested = sorted((one.p_value, place) for place, one in enumerate(found) if one.p_value is not None)
    corrected, largest = list(found), 0.0
    for done, (p_value, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - done) * p_value))
        corrected[place] = replace(found[place], p_value=largest)
    return corrected


def _distance(differences: np.ndarray, axis: int = -1) -> np.ndarray:
    """How far from 0 a sum of differences lies; rounded, so that sums that are equal but for rounding tie."""
    return np.round(np.abs(differences.sum(axis=axis)), 9)

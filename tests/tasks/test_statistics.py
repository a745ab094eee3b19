"""Metrics and intervals against independent sources: scikit-learn, scipy, a plain edit distance, a simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from seq.score.intervals import Difference, difference, holm, intervals, method_name, paired_test
from seq.tasks.number_statistics import Scale, weighted_spearman
from seq.tasks.statistics import Accuracy, Classification, SymbolErrors

LABELS = ["neutral", "calm", "happy", "sad", "angry"]


def scores_of(statistic: Classification | SymbolErrors) -> dict[str, float]:
    return {name: value[0] for name, value in statistic.values(np.ones((1, len(statistic.speakers)))).items()}


# The second case lacks "calm" in the reference, the third lacks it on both sides.
@pytest.mark.parametrize(
    ("ref_labels", "hyp_labels"), [(LABELS, LABELS), (LABELS[2:], LABELS), (LABELS[2:], LABELS[2:])]
)
def test_classification_equals_scikit_learn(ref_labels: list[str], hyp_labels: list[str]) -> None:
    rng = np.random.default_rng(1)
    refs, hyps = rng.choice(ref_labels, 200).tolist(), rng.choice(hyp_labels, 200).tolist()
    statistic = Classification(refs, hyps, rng.choice(["a", "b", "c"], 200).tolist(), LABELS)
    scores = scores_of(statistic)
    assert scores["WA"] == pytest.approx(accuracy_score(refs, hyps))
    assert scores["UA"] == pytest.approx(recall_score(refs, hyps, labels=ref_labels, average="macro"))
    assert scores["macro_f1"] == pytest.approx(f1_score(refs, hyps, average="macro"))
    np.testing.assert_array_equal(statistic.confusion, confusion_matrix(refs, hyps, labels=LABELS))
    recall = statistic.recall()
    present = [label in ref_labels for label in LABELS]
    np.testing.assert_allclose(recall[present], recall_score(refs, hyps, labels=ref_labels, average=None))
    assert np.isnan(recall[np.logical_not(present)]).all()


def test_a_speaker_drawn_twice_counts_as_two() -> None:
    rng = np.random.default_rng(2)
    refs, hyps = rng.choice(LABELS, 60), rng.choice(LABELS, 60)
    speakers = np.repeat(["a", "b", "c"], 20)
    index = np.r_[0:20, 0:20, 40:60]
    drawn = Classification(refs, hyps, speakers, LABELS).values(np.array([[2.0, 0.0, 1.0]]))
    for name, value in scores_of(Classification(refs[index], hyps[index], speakers[index], LABELS)).items():
        assert drawn[name][0] == pytest.approx(value)
    levels, real = rng.choice([0.0, 2 / 3, 1.0], 60), rng.random(60).round(1)
    weights = np.repeat([[2.0, 0.0, 1.0]], 20, axis=1)
    assert weighted_spearman(levels, real, weights)[0] == pytest.approx(stats.spearmanr(levels[index], real[index])[0])


def test_intensity_with_ties_and_a_reference_between_levels() -> None:
    refs, values = [0.0, 2 / 3, 1.0, 0.9, 2 / 3], [0.1, 0.5, 0.9, 0.9, 1.0]
    scores = scores_of(Scale(refs, [0.0, 2 / 3, 1.0, 2 / 3, 1.0], values, list("aabbb"), (0.0, 2 / 3, 1.0)))
    # Levels of the references: 0, 2/3, 1, 1 (0.9 is nearer to 1), 2/3.
    assert scores["UA"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert scores["MAE"] == pytest.approx((0.1 + 1 / 6 + 0.1 + 0.0 + 1 / 3) / 5)
    assert scores["spearman"] == pytest.approx(stats.spearmanr(refs, values)[0])
    constant = Scale([1.0, 1.0], [1.0, 1.0], [0.5, 0.7], ["a", "b"], (1.0,))
    assert np.isnan(scores_of(constant)["spearman"])


def edit_distance(ref: list[str], hyp: list[str]) -> int:
    row = list(range(len(hyp) + 1))
    for i, phone in enumerate(ref, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(hyp, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (phone != other))
    return row[-1]


def test_per_is_total_errors_over_total_reference_phones() -> None:
    rng = np.random.default_rng(3)
    refs = [rng.choice(list("abcd"), rng.integers(1, 15)).tolist() for _ in range(50)]
    hyps = [rng.choice(list("abcd"), rng.integers(0, 15)).tolist() for _ in range(50)]
    statistic = SymbolErrors(refs, hyps, rng.choice(["x", "y"], 50).tolist())
    errors = sum(edit_distance(ref, hyp) for ref, hyp in zip(refs, hyps, strict=True))
    counts = statistic.details([statistic])
    assert counts["substitutions"] + counts["insertions"] + counts["deletions"] == errors
    assert scores_of(statistic)["PER"] == pytest.approx(errors / sum(map(len, refs)))


def random_statistic(num_speakers: int, rng: np.random.Generator) -> Classification:
    refs, hyps = rng.choice(LABELS, 10 * num_speakers), rng.choice(LABELS, 10 * num_speakers)
    return Classification(refs, hyps, np.repeat([f"{i:02}" for i in range(num_speakers)], 10), LABELS)


def test_bootstrap_is_deterministic_and_named() -> None:
    statistic = random_statistic(24, np.random.default_rng(4))
    assert intervals([statistic], seed=7) == intervals([statistic], seed=7) != intervals([statistic], seed=8)
    assert method_name(24) == "speaker bootstrap, n=24"
    assert method_name(4) == "t over 4 speakers"


def test_t_interval_of_a_balanced_mean_is_the_one_over_per_speaker_values() -> None:
    statistic = random_statistic(4, np.random.default_rng(5))
    per_speaker = statistic.values(np.eye(4))["WA"]
    expected = stats.t.interval(0.95, 3, per_speaker.mean(), stats.sem(per_speaker))
    assert intervals([statistic])["WA"] == pytest.approx(np.clip(expected, 0, 1))


def test_no_interval_without_spread_over_speakers() -> None:
    assert intervals([random_statistic(1, np.random.default_rng(6))]) == {"UA": None, "WA": None, "macro_f1": None}
    for num_speakers in (4, 24):
        speakers = [str(i) for i in range(num_speakers)]
        assert intervals([Accuracy(["F"] * num_speakers, ["F"] * num_speakers, speakers, "FM")]) == {"accuracy": None}


class SimulatedSpeakers:
    """Speakers whose recalls differ: logits with a standard deviation of 0.5 per speaker, and 0.5 per class of one.

    Per-speaker UA then has a standard deviation of about 0.14 (utterances: 4 of one class, 8 of seven), as actors'
    recalls in RAVDESS have.
    """

    counts = np.array([4, 8, 8, 8, 8, 8, 8, 8])

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.size = len(self.counts)

    def draw(self, num_speakers: int, expected: bool = False) -> Classification:
        """A statistic of new speakers; `expected` leaves out the sampling of utterances."""
        logits = np.linspace(-0.5, 1.5, self.size) + self.rng.normal(0, 0.5, (num_speakers, 1))
        recall = 1 / (1 + np.exp(-logits - self.rng.normal(0, 0.5, (num_speakers, self.size))))
        statistic = Classification([], [], [], [str(i) for i in range(self.size)])
        statistic.speakers = [str(i) for i in range(num_speakers)]
        statistic.per_speaker = np.zeros((num_speakers, self.size, self.size))
        for k, count in enumerate(self.counts):
            probs = np.repeat((1 - recall[:, [k]]) / (self.size - 1), self.size, axis=1)
            probs[:, k] = recall[:, k]
            statistic.per_speaker[:, k] = probs * count if expected else self.rng.multinomial(count, probs)
        return statistic


@pytest.mark.parametrize("num_speakers", [4, 10, 24])
def test_intervals_cover(num_speakers: int) -> None:
    population = SimulatedSpeakers(np.random.default_rng(num_speakers))
    truth = scores_of(population.draw(50_000, expected=True))
    repetitions = 1000
    hits = dict.fromkeys(truth, 0)
    for seed in range(repetitions):
        for name, (low, high) in intervals([population.draw(num_speakers)], num_draws=400, seed=seed).items():
            hits[name] += low <= truth[name] <= high
    for name, hit in hits.items():
        assert 0.92 <= hit / repetitions <= 0.975, name


@pytest.mark.parametrize("num_speakers", [6, 9, 16])
@pytest.mark.parametrize("decimals", [1, 15])
def test_paired_test_equals_all_sign_patterns(num_speakers: int, decimals: int) -> None:
    # One decimal gives many sums that differ by rounding alone.
    differences = np.random.default_rng(num_speakers).normal(0.1, 0.2, num_speakers).round(decimals)
    sums = [abs(math.fsum(pattern)) for pattern in itertools.product(*((d, -d) for d in differences))]
    expected = sum(value >= abs(math.fsum(differences)) - 1e-9 for value in sums) / 2**num_speakers
    result = paired_test(differences, np.zeros(num_speakers))
    assert result.p_value == pytest.approx(expected, rel=1e-12) and result.num_speakers == num_speakers
    assert result.difference == pytest.approx(differences.mean())


@pytest.mark.parametrize("num_speakers", [6, 9])
def test_paired_test_equals_scipy(num_speakers: int) -> None:
    rng = np.random.default_rng(num_speakers)
    first, second = rng.random(num_speakers) + 0.2, rng.random(num_speakers)
    expected = stats.permutation_test(
        (first, second), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert paired_test(first, second).p_value == pytest.approx(expected.pvalue)


def test_paired_test_beyond_exact_is_close_and_repeatable() -> None:
    rng = np.random.default_rng(8)
    first, second = rng.normal(0.03, 0.1, 24), np.zeros(24)
    result = paired_test(first, second)
    assert result == paired_test(first, second)
    assert result.p_value == pytest.approx(stats.ttest_1samp(first, 0).pvalue, abs=0.03)
    assert paired_test(np.ones(40), np.zeros(40)).p_value == pytest.approx(1 / 100_001)


def test_five_speakers_are_untestable_and_six_are_not() -> None:
    assert str(paired_test([1.0] * 5, [0.0] * 5)) == "untestable (n=5)"
    assert paired_test([1.0] * 6, [0.0] * 6).p_value == pytest.approx(2 / 2**6)


def test_differences_have_scipys_interval_and_what_could_be_detected() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.5, 0.1, 24), rng.normal(0.45, 0.1, 24)
    found = difference(first, second)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found.ends == pytest.approx((expected.low, expected.high)) and found.num_speakers == 24
    # Shifted by that much, samples of so many speakers are found significant four times in five.
    assert found.detectable is not None
    drawn = rng.normal(found.detectable, np.subtract(first, second).std(ddof=1), (4000, 24))
    assert (stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)
    same = difference([0.5] * 8, [0.4] * 8)
    assert same.ends is None and same.detectable is None and same.p_value == pytest.approx(2 / 2**8)


def test_holm() -> None:
    found = [Difference(0.0, None, p, None, 9) for p in (0.01, 0.04, None, 0.03, 0.9)]
    # By hand: 4 * 0.01, then 3 * 0.03, then 2 * 0.04 (less than the one before), then 0.9.
    assert [one.p_value for one in holm(found)] == [0.04, pytest.approx(0.09), None, pytest.approx(0.09), 0.9]

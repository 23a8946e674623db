"""Intervals hold what they promise: on synthetic data of known truth, 95% of them cover it, give or take 3%."""

import math

import numpy as np
import pytest
from scipy import stats

from steadyflow.evaluate import (
    Estimate,
    FeatureStatistics,
    difference,
    frechet_infinity,
    frechet_with_interval,
    kept_ratio,
    kernel_distance,
    kl_between,
    kl_divergence,
    kl_to_uniform,
    kl_with_interval,
    mean_over_runs,
    mean_with_interval,
    memorisation_ratio,
    pair_distance,
    pair_similarity,
)
from steadyflow.evaluate.estimate import GROUPS, groups_of, jackknifed, proportion_with_interval
from steadyflow.evaluate.frechet import samples_per_dimension_for_infinity
from steadyflow.evaluate.similarity import unmatched_of, unmatched_within

REPEATS = 500


def coverage(truth: float, estimates: list[Estimate]) -> float:
    return np.mean([e.ci_low <= truth <= e.ci_high for e in estimates])


def assert_calibrated(truth: float, estimates: list[Estimate]) -> None:
    assert len(estimates) == REPEATS
    assert 0.92 <= coverage(truth, estimates) <= 0.98


def test_means():
    rng = np.random.default_rng(0)
    assert_calibrated(2, [mean_with_interval(rng.gamma(2, 1, 60)) for _ in range(REPEATS)])


def related(rng, n, d=6):
    """Two models of one noise: shared and own parts."""
    x0 = rng.normal(size=(n, d)) + 0.4
    return x0 + 0.5 * rng.normal(size=(n, d)), x0 + 0.5 * rng.normal(size=(n, d))


@pytest.mark.parametrize("find", [pair_similarity, pair_distance])
def test_similarities(find):
    rng = np.random.default_rng(1)
    # The truth by a sample so large that its own error does not count.
    many = [find(*related(rng, 2000)) for _ in range(20)]
    found = [find(*related(rng, 130)) for _ in range(REPEATS)]
    for part in ("matched", "unmatched", "difference"):
        assert_calibrated(np.mean([getattr(f, part).value for f in many]), [getattr(f, part) for f in found])


def test_similarities_of_some_samples_and_of_samples_of_one_label():
    """Of the pairs whose reference sample is told to be something; of all unmatched pairs of one label."""
    rng, n = np.random.default_rng(22), 200
    labels, groups = np.arange(n) % 4, groups_of(np.arange(n), 4)
    levels = rng.normal(size=(4, 6))

    def of_parts():
        a, b = (rows + levels[labels] for rows in related(rng, n))
        told = b[:, 0] > levels[:, 0].mean()
        return unmatched_of(a, b, told, groups), unmatched_within(a, b, labels, groups)

    found = list(zip(*(of_parts() for _ in range(REPEATS)), strict=True))
    for each in found:
        assert_calibrated(np.mean([e.value for e in each]), each)


def test_shares_of_the_way_from_unmatched_to_the_ceiling():
    """The share of the mapping that claims judge: a ratio of three similarities of the same noises."""
    rng, n, d = np.random.default_rng(23), 130, 6

    def share():
        x0 = rng.normal(size=(n, d)) + 0.4
        run, reference, again = (x0 + spread * rng.normal(size=(n, d)) for spread in (0.8, 0.4, 0.4))
        parts = pair_similarity(run, reference), pair_similarity(again, reference)
        matched, unmatched, ceiling = parts[0].matched, parts[0].unmatched, parts[1].matched
        table = np.array([[e.value, *e.replicates] for e in (matched, unmatched, ceiling)])
        value, *without = (table[0] - table[1]) / (table[2] - table[1])
        return jackknifed(value, without)

    found = [share() for _ in range(REPEATS)]
    assert_calibrated(np.mean([e.value for e in found]), found)


@pytest.mark.parametrize("truth", [0.02, 0.3, 0.5])
def test_shares_of_a_value(truth):
    """Without a simulation: the chance of every count."""
    n = 1000
    ends = [proportion_with_interval(hits, n) for hits in range(n + 1)]
    covered = np.array([e.ci_low <= truth <= e.ci_high for e in ends])
    assert 0.92 <= stats.binom.pmf(np.arange(n + 1), n, truth) @ covered <= 0.98


def test_frechet_distances():
    d, n = 8, 300
    rng = np.random.default_rng(2)
    reference = FeatureStatistics(2, np.zeros(d), np.eye(d))
    scales = np.linspace(0.6, 1.4, d)
    found = [frechet_with_interval(rng.normal(size=(n, d)) * scales, reference) for _ in range(REPEATS)]
    # Distances at n have a bias: what they estimate is their own expectation.
    expected = np.mean([frechet_with_interval(rng.normal(size=(n, d)) * scales, reference).value for _ in range(3000)])
    assert_calibrated(expected, found)
    assert_calibrated(np.square(scales - 1).sum(), [frechet_infinity(f, n, d) for f in found])


@pytest.mark.parametrize("d", [8, 32, 64])
def test_extrapolated_distances_from_the_stated_number_of_samples_on(d):
    n = max(math.ceil(d * samples_per_dimension_for_infinity(d)), 40)
    rng, scales = np.random.default_rng(20), np.linspace(0.8, 1.2, d)
    reference = FeatureStatistics(2, np.zeros(d), np.eye(d))
    truth = d * 0.15**2 + np.square(scales - 1).sum()
    found = [frechet_with_interval(rng.normal(size=(n, d)) * scales + 0.15, reference) for _ in range(REPEATS)]
    assert_calibrated(truth, [frechet_infinity(f, n, d) for f in found])


def test_an_extrapolated_distance_of_fewer_samples_has_no_interval():
    """At n = 2d it would cover the truth in 2 of 3 cases."""
    d, n = 64, 128
    rng, scales = np.random.default_rng(21), np.linspace(0.8, 1.2, d)
    reference = FeatureStatistics(2, np.zeros(d), np.eye(d))
    truth = d * 0.15**2 + np.square(scales - 1).sum()
    found = [frechet_with_interval(rng.normal(size=(n, d)) * scales + 0.15, reference) for _ in range(100)]
    shifts = [(f, GROUPS * f.value - (GROUPS - 1) * np.mean(f.replicates)) for f in found]
    assert np.mean([abs(value - truth) <= f.ci_high - f.value for f, value in shifts]) < 0.8
    extrapolated = frechet_infinity(found[0], n, d)
    assert extrapolated.value == pytest.approx(shifts[0][1])
    assert np.isnan([extrapolated.ci_low, extrapolated.ci_high]).all()
    assert np.isfinite(frechet_infinity(found[0], 5 * d, d).ci_low)


def test_differences_of_runs_that_share_their_noises():
    d, n = 5, 200
    rng = np.random.default_rng(3)
    reference = FeatureStatistics(2, np.zeros(d), np.eye(d))

    def two_runs() -> tuple[Estimate, Estimate]:
        x0 = rng.normal(size=(n, d))
        near, far = (shift + 0.9 * x0 + 0.2 * rng.normal(size=(n, d)) for shift in (0.1, 0.2))
        return frechet_with_interval(near, reference), frechet_with_interval(far, reference)

    expected = np.mean([far.value - near.value for near, far in (two_runs() for _ in range(2000))])
    pairs = [two_runs() for _ in range(REPEATS)]
    found = [difference(far, near) for near, far in pairs]
    assert_calibrated(expected, found)
    # Knowing what they share is the point: apart, the intervals would be several times as wide.
    apart = np.mean([np.hypot(far.ci_high - far.ci_low, near.ci_high - near.ci_low) for near, far in pairs])
    assert np.mean([f.ci_high - f.ci_low for f in found]) < 0.6 * apart


def test_kernel_distances():
    n, d = 120, 4
    rng = np.random.default_rng(4)
    reference = rng.normal(size=(400, d))
    found = [kernel_distance(rng.normal(size=(n, d)) + 0.3, reference) for _ in range(REPEATS)]
    expected = np.mean([kernel_distance(rng.normal(size=(2000, d)) + 0.3, reference).value for _ in range(30)])
    assert_calibrated(expected, found)


@pytest.mark.parametrize(
    "shares", [[0.5, 0.5], [0.52, 0.48], [0.7, 0.3], [0.97, 0.03], [0.3, 0.2, 0.25, 0.25], [0.6, 0.3, 0.07, 0.03]]
)
def test_divergences_from_uniform(shares):
    rng = np.random.default_rng(5)
    draws = rng.multinomial(400, shares, size=REPEATS)
    found = [kl_with_interval(np.repeat(np.arange(len(shares)), c), len(shares), repeats=300) for c in draws]
    assert_calibrated(kl_to_uniform(shares), found)


def test_divergences_from_another_distribution():
    rng, shares, reference = np.random.default_rng(6), [0.5, 0.3, 0.2], [0.6, 0.3, 0.1]
    drawn = zip(*(rng.multinomial(n, p, size=REPEATS) for n, p in ((400, shares), (300, reference))), strict=True)
    found = [kl_between(*(np.repeat(np.arange(3), c) for c in counts), 3, repeats=300) for counts in drawn]
    assert_calibrated(kl_divergence(shares, reference), found)


def test_ratios_of_distances():
    rng = np.random.default_rng(7)
    training, dropped = rng.normal(size=(2, 80, 3))
    wide = 1.3 * rng.normal(size=(2, 20_000, 3))
    truth = memorisation_ratio(wide[0], wide[1] / 1.3, training, repeats=2).value
    found = [memorisation_ratio(1.3 * rng.normal(size=(90, 3)), rng.normal(size=(90, 3)), training, repeats=300)
             for _ in range(REPEATS)]  # fmt: skip
    assert_calibrated(truth, found)
    truth = kept_ratio(wide[0], training, dropped).value
    assert_calibrated(truth, [kept_ratio(1.3 * rng.normal(size=(90, 3)), training, dropped) for _ in range(REPEATS)])


@pytest.mark.parametrize("of_runs", [0.02, 0.3, 1.0])
def test_means_over_three_runs(of_runs):
    """Whether the noises or the trainings make most of the difference. Noises are shared between the runs."""
    rng, n, runs = np.random.default_rng(8), 200, 3

    def arm() -> list[Estimate]:
        noise = rng.normal(size=n)
        return [mean_with_interval(1 + of_runs * rng.normal() + noise + 0.5 * rng.normal(size=n)) for _ in range(runs)]

    assert_calibrated(1, [mean_over_runs(arm()) for _ in range(REPEATS)])


def test_resampling_three_runs_would_not_do():
    """Why means over runs are not bootstrapped: with three runs, a bootstrap over runs and noises covers far too
    little."""
    rng, n = np.random.default_rng(9), 200
    covered = 0
    for _ in range(200):
        values = 1 + rng.normal(size=(3, 1)) + 0.5 * rng.normal(size=(3, n))
        runs, noises = rng.integers(3, size=(300, 3)), rng.integers(n, size=(300, n))
        low, high = np.quantile([values[r][:, i].mean() for r, i in zip(runs, noises, strict=True)], (0.025, 0.975))
        covered += low <= 1 <= high
    assert covered / 200 < 0.85

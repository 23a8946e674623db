"""Verdicts err as seldom as they say, by simulation: differences on the scales on which they are judged, and claims of
several estimates."""

import math

import numpy as np
import pytest
from scipy import stats

from steadyflow.claims.verdict import Verdict, above, all_of, below
from steadyflow.evaluate import contrast, kl_to_uniform
from steadyflow.evaluate.estimate import GROUPS, Estimate, between_runs, jackknifed, on_scale

REPEATS = 500


def of_groups(values):
    """The mean of 20 groups' values, whose interval is exactly Student's."""
    return jackknifed(values.mean(), (values.sum() - values) / (GROUPS - 1))


def arm(rng, noises, level, runs, between):
    """FDs of `runs` trainings: of one level, with a spread in proportion to it, both between trainings and of noises,
    of which half is shared with all other trainings."""
    found = []
    for _ in range(runs):
        own = rng.normal(size=noises.shape)
        values = level * np.exp(between * rng.normal()) * (1 + 0.2 * (noises + own))
        found.append(of_groups(values))
    return found


def interval_of_ratio(rng, scale, runs, others=()):
    """Of an arm whose FD, and the spread of it, are twice the other's. `others`: numbers of runs of more arms."""
    noises = rng.normal(size=GROUPS)
    judged, reference, *more = (
        [on_scale(scale, each) for each in arm(rng, noises, level, count, 0.1)]
        for level, count in ((2.0, runs[0]), (1.0, runs[1]), *((1.0, count) for count in others))
    )
    return contrast(judged, reference, between_runs([judged, reference, *more]))


@pytest.mark.parametrize(("runs", "others"), [((3, 3), ()), ((2, 3), ()), ((2, 2), ()), ((1, 3), (3,))])
def test_on_a_log_scale_an_arm_of_twice_the_level_is_judged_right(runs, others):
    rng = np.random.default_rng(0)
    found = [interval_of_ratio(rng, math.log, runs, others) for _ in range(REPEATS)]
    assert 0.92 <= np.mean([e.ci_low <= math.log(2) <= e.ci_high for e in found]) <= 0.98


def test_as_they_are_distances_would_be_judged_wrong():
    rng = np.random.default_rng(1)
    found = [interval_of_ratio(rng, lambda fd: fd, (1, 3), (3,)) for _ in range(REPEATS)]
    truth = math.exp(0.1**2 / 2)
    assert np.mean([e.ci_low <= truth <= e.ci_high for e in found]) < 0.87


def root_kl(rng, p, noises):
    """√KL of a binary attribute of n samples, where a training's share differs from `p` by SD 0.03."""
    share = p + 0.03 * rng.normal()
    codes = noises < share
    left = [np.delete(codes, np.arange(g, len(codes), GROUPS)) for g in range(GROUPS)]
    kl, *without = (kl_to_uniform([each.sum(), (~each).sum()]) for each in (codes, *left))
    return on_scale(math.sqrt, jackknifed(kl, without))


@pytest.mark.parametrize("runs", [(3, 3), (2, 3)])
def test_on_a_root_scale_divergences_of_other_levels_are_judged_right(runs):
    rng, shares = np.random.default_rng(2), (0.85, 0.65)
    truth = np.subtract(*(math.sqrt(kl_to_uniform([p, 1 - p])) for p in shares))
    covered = 0
    for _ in range(REPEATS):
        noises = rng.random(600)
        arms = [[root_kl(rng, p, noises) for _ in range(count)] for p, count in zip(shares, runs, strict=True)]
        found = contrast(*arms, between_runs(arms))
        covered += found.ci_low <= truth <= found.ci_high
    assert 0.92 <= covered / REPEATS <= 0.98


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_twelve_true_estimates_fail_together_as_seldom_as_one(shared):
    """At the bound, the worst case, with or without what they share."""
    rng = np.random.default_rng(3)
    together = alone = 0
    for _ in range(REPEATS):
        common = rng.normal(size=GROUPS)
        values = shared**0.5 * common + (1 - shared) ** 0.5 * rng.normal(size=(12, GROUPS))
        verdicts = [below(of_groups(each), 0.0) for each in values]
        together += all_of(verdicts) == "fails"
        alone += "fails" in verdicts
    assert together / REPEATS <= 0.05
    assert alone / REPEATS > 0.09
    if shared == 0:
        assert together / REPEATS == pytest.approx(0.025, abs=0.02)
        assert alone / REPEATS == pytest.approx(1 - 0.975**12, abs=0.06)


def test_a_conjunction_holds_by_chance_as_seldom_as_one_estimate():
    """One of three is at the bound, the others far on the right side: the worst case."""
    rng, holds = np.random.default_rng(4), 0
    for _ in range(REPEATS):
        verdicts = [above(of_groups(rng.normal(size=GROUPS) + shift), 0.0) for shift in (0, 5, 5)]
        holds += all_of(verdicts) == "holds"
    assert holds / REPEATS == pytest.approx(0.025, abs=0.02)


def test_the_smallest_p_value_counts_every_estimate_however_they_are_nested():
    values = stats.zscore(np.random.default_rng(5).normal(size=GROUPS), ddof=1) + 2.5 / GROUPS**0.5
    one = below(of_groups(values), 0.0)
    assert one.p_values == pytest.approx([stats.ttest_1samp(values, 0.0, alternative="greater").pvalue])
    assert one == "fails" == all_of([one]) and one.p_values[0] == pytest.approx(0.0109, abs=1e-4)
    right = below(of_groups(np.random.default_rng(6).normal(size=GROUPS) - 3), 0.0)
    assert right == "holds"
    assert [all_of([one, *[right] * more]) for more in (1, 2, 9)] == ["fails", "undecided", "undecided"]
    assert all_of([all_of([one, *[right] * 4]), all_of([right] * 5)]).p_values == all_of([one, *[right] * 9]).p_values
    assert all_of(["holds", "not measured"]) == "holds" and isinstance(all_of(["holds"]), Verdict)
    assert all_of(["fails", right]) == "fails"


def test_an_estimate_without_an_interval_decides_nothing():
    for ends in ((-math.inf, math.inf), (math.nan, math.nan)):
        assert (above(Estimate(3, *ends), 1), above(Estimate(-3, *ends), 1)) == ("undecided", "undecided")
        assert all_of([above(Estimate(-3, *ends), 1)]) == "undecided"
    assert all_of([above(Estimate(0, 0, 0), 1)]) == "fails"

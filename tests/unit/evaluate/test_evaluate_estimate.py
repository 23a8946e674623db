import numpy as np
import pytest
from scipy import stats

from steadyflow.evaluate import Estimate, contrast, difference, mean_over_runs, mean_with_interval
from steadyflow.evaluate.estimate import (
    GROUPS,
    BetweenRuns,
    between_runs,
    groups_of,
    jackknifed,
    proportion_with_interval,
)
from steadyflow.ground.artifacts import UserError


def run(rng, n=400, shift=0.0):
    return mean_with_interval(rng.normal(size=n) + shift)


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=(GROUPS, 30))
    whole = values.mean()
    found = jackknifed(whole, [np.delete(values, group, axis=0).mean() for group in range(GROUPS)])
    margin = stats.t.ppf(0.975, GROUPS - 1) * values.mean(axis=1).std(ddof=1) / GROUPS**0.5
    assert (found.ci_low, found.ci_high) == pytest.approx((whole - margin, whole + margin))


def test_replicates_of_a_mean_follow_the_noises_not_the_order():
    rng = np.random.default_rng(1)
    values, order = rng.normal(size=100), rng.permutation(100)
    plain, shuffled = mean_with_interval(values), mean_with_interval(values[order], groups_of(order))
    assert plain.replicates == pytest.approx(shuffled.replicates)
    assert mean_with_interval(values[:30]).replicates == ()


def test_what_two_runs_share_leaves_their_difference():
    rng = np.random.default_rng(2)
    noise = rng.normal(size=400)
    a, b = mean_with_interval(noise + 1), mean_with_interval(noise)
    found = difference(a, b)
    assert (found.ci_low, found.value, found.ci_high) == pytest.approx((1, 1, 1))


def test_trainings_enter_where_arms_have_several():
    rng = np.random.default_rng(3)
    arm = [run(rng, shift=shift) for shift in (-1, 0, 1)]
    found = mean_over_runs(arm)
    # The runs' own spread is the whole of it: about t_2 * 1 / sqrt(3).
    assert found.ci_high - found.value == pytest.approx(stats.t.ppf(0.975, 2) / 3**0.5, rel=0.15)
    alone = contrast([run(rng)])
    assert alone.ci_high - alone.value < 0.2


def test_what_is_between_runs_may_come_from_other_arms():
    rng = np.random.default_rng(4)
    others = [[run(rng, shift=rng.normal()) for _ in range(4)] for _ in range(20)]
    pooled = between_runs([*others, [run(rng)], []])
    assert pooled.degrees == 60
    assert pooled.variance == pytest.approx(1, rel=0.4)
    assert pooled.of_noises == pytest.approx(1 / 400, rel=0.4)
    wide, narrow = contrast([run(rng)], [run(rng)], pooled), contrast([run(rng)], [run(rng)])
    assert wide.ci_high - wide.value == pytest.approx(2 * 2**0.5, rel=0.3)
    assert narrow.ci_high - narrow.value < 0.3
    assert between_runs([[run(rng)]]) is None
    # Never less than the noises alone.
    tiny = BetweenRuns(1e-9, 1e-3, 5)
    a, b = run(rng), run(rng)
    assert contrast([a], [b], tiny).ci_high >= difference(a, b).ci_high - 1e-6


def test_wilson():
    assert proportion_with_interval(0, 10).ci_low == 0
    assert proportion_with_interval(10, 10).ci_high == pytest.approx(1)
    found = proportion_with_interval(30, 100)
    expected = stats.binomtest(30, 100).proportion_ci(method="wilson")
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.low, expected.high))


def test_refusals():
    with pytest.raises(UserError, match="groups of noises"):
        difference(Estimate(1, 0, 2), Estimate(1, 0, 2))
    with pytest.raises(ValueError, match="groups_of"):
        mean_with_interval(np.zeros(100), np.arange(100))

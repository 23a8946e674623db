import numpy as np
import pytest

from steadyflow.artifacts import UserError
from steadyflow.evaluate import kl_divergence, kl_to_uniform, kl_with_interval
from steadyflow.evaluate.estimate import GROUPS


def test_known_values():
    assert kl_to_uniform([7, 3]) == pytest.approx(0.0822829, abs=1e-7)
    assert kl_to_uniform([0, 0, 9, 0]) == pytest.approx(np.log(4))
    assert kl_to_uniform([5, 5, 5]) == pytest.approx(0)
    assert kl_divergence([7, 3], [1, 1]) == kl_to_uniform([7, 3])
    assert kl_divergence([1, 3], [3, 1]) == pytest.approx(0.25 * np.log(1 / 3) + 0.75 * np.log(3))
    assert kl_divergence([1, 1], [1, 0]) == np.inf
    assert kl_divergence([1, 0], [1, 1]) == pytest.approx(np.log(2))


def test_plug_in_bias():
    rng, values, n = np.random.default_rng(0), 5, 400
    found = [kl_to_uniform(rng.multinomial(n, np.full(values, 1 / values))) for _ in range(3000)]
    assert np.mean(found) == pytest.approx((values - 1) / (2 * n), rel=0.06)


def test_interval_is_around_the_value_and_unknowns_are_counted():
    found = kl_with_interval(np.array([0] * 70 + [1] * 30 + [-1] * 11), 2)
    assert found.value == pytest.approx(0.0822829, abs=1e-7)
    assert (found.known, found.unknown) == (100, 11)
    assert found.ci_low < found.value < found.ci_high


def test_divergence_from_another_distribution():
    codes, reference = np.array([0] * 30 + [1] * 70), np.array([1, 3])
    found = kl_with_interval(codes, 2, reference)
    assert found.value == pytest.approx(kl_divergence([30, 70], [1, 3]))
    assert found.ci_low < found.value < found.ci_high
    assert kl_with_interval(codes, 2, np.array([5, 5])) == kl_with_interval(codes, 2)


@pytest.mark.parametrize("counts", [[50, 50], [25, 25, 25, 25], [100, 0], [0, 0, 100]])
def test_intervals_at_the_ends(counts):
    """Perfect balance, and one value alone."""
    found = kl_with_interval(np.repeat(np.arange(len(counts)), counts), len(counts))
    assert 0 <= found.ci_low <= found.value <= found.ci_high + 1e-9
    assert found.ci_high <= np.log(len(counts))
    if found.value == 0:
        assert 0 == found.ci_low < found.ci_high < 0.1
    else:
        assert found.ci_low < found.value


def test_replicates_leave_out_groups_of_samples():
    codes = np.random.default_rng(2).integers(-1, 3, size=200)
    found = kl_with_interval(codes, 3, repeats=10)
    for group in range(GROUPS):
        left = codes[np.arange(200) % GROUPS != group]
        assert found.replicates[group] == pytest.approx(kl_to_uniform(np.bincount(left[left >= 0], minlength=3)))


def test_interval_is_keyed_by_its_seed():
    codes = np.arange(100) % 7 % 3
    assert kl_with_interval(codes, 3, seed=1) == kl_with_interval(codes, 3, seed=1)
    assert kl_with_interval(codes, 3, seed=1) != kl_with_interval(codes, 3, seed=2)


def test_a_value_that_never_occurs_still_counts():
    assert kl_with_interval(np.array([0, 1, 0, 1]), 4).value == pytest.approx(np.log(2))


@pytest.mark.parametrize("counts", [[0, 0], [3, -1], [np.nan, 1]])
def test_refuses_counts(counts):
    with pytest.raises(UserError, match="counts"):
        kl_to_uniform(counts)


def test_refuses_codes():
    with pytest.raises(UserError, match="code 2"):
        kl_with_interval(np.array([0, 1, 2]), 2)
    with pytest.raises(UserError, match="code -2"):
        kl_with_interval(np.array([0, 1, -2]), 2)
    with pytest.raises(UserError, match="above zero"):
        kl_with_interval(np.array([-1, -1]), 2)
    with pytest.raises(UserError, match="in the reference"):
        kl_with_interval(np.array([0, 1]), 2, np.array([0, 5]))
    with pytest.raises(UserError, match="2 and 3 values"):
        kl_divergence([1, 1], [1, 1, 1])

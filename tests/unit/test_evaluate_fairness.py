import numpy as np
import pytest

from steadyflow.artifacts import UserError
from steadyflow.evaluate import kl_divergence, kl_to_uniform, kl_with_interval


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


def test_interval_covers_and_unknowns_are_counted():
    rng, truth = np.random.default_rng(1), kl_to_uniform([7, 3])
    covered = 0
    for _ in range(200):
        found = kl_with_interval(np.where(rng.random(500) < 0.7, 0, 1), 2, repeats=200)
        covered += found.ci_low <= truth <= found.ci_high
    assert covered / 200 == pytest.approx(0.95, abs=0.05)

    found = kl_with_interval(np.array([0] * 70 + [1] * 30 + [-1] * 11), 2)
    assert found.value == pytest.approx(0.0822829, abs=1e-7)
    assert (found.known, found.unknown) == (100, 11)
    assert found.ci_low < found.value < found.ci_high


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
    with pytest.raises(UserError, match="2 and 3 values"):
        kl_divergence([1, 1], [1, 1, 1])

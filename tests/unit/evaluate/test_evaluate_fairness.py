import numpy as np
import pytest

from steadyflow.evaluate import kl_between, kl_divergence, kl_to_uniform, kl_with_interval
from steadyflow.evaluate.estimate import GROUPS
from steadyflow.ground.artifacts import UserError


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
    with pytest.raises(UserError, match="2 and 3 values"):
        kl_divergence([1, 1], [1, 1, 1])


def test_divergence_between_sets():
    found = kl_between(np.array([0] * 25 + [1] * 75 + [-1] * 4), np.array([0] * 75 + [1] * 25 + [-1]), 2)
    assert found.value == kl_divergence([1, 3], [3, 1])
    assert (found.known, found.unknown) == (100, 4)
    assert found.ci_low < found.value < found.ci_high
    assert kl_between(np.arange(6) % 3, np.arange(9) % 3, 3).value == pytest.approx(0)


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_interval_between_sets_covers(share):
    """Of 150 experiments with small sets on both sides; at the truth 0 it is one-sided."""
    rng, n, m = np.random.default_rng(2), 300, 200

    def drawn(first, size):
        return np.where(rng.random(size) < first, 0, np.where(rng.random(size) < 0.6, 1, 2))

    truth = kl_divergence([share, 0.6 * (1 - share), 0.4 * (1 - share)], [0.5, 0.3, 0.2])
    found = [kl_between(drawn(share, n), drawn(0.5, m), 3, repeats=200) for _ in range(150)]
    assert 0.91 <= np.mean([each.ci_low <= truth <= each.ci_high for each in found]) <= 0.99


def test_what_only_the_reference_lacks_is_infinitely_far():
    found = kl_between(np.array([0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert found.value == np.inf and np.isnan([found.ci_low, found.ci_high]).all()
    rare = kl_between(np.array([0] * 50 + [1]), np.array([0] * 50 + [1]), 2)
    assert rare.value == rare.ci_low == 0 < rare.ci_high < 1


def test_divergence_between_sets_refuses_codes():
    known = np.array([0, 1])
    for codes, reference, message in (
        (np.array([2]), known, "code 2"),
        (known, np.array([-2]), "code -2"),
        (np.array([-1]), known, "above zero"),
        (known, np.array([-1]), "above zero"),
    ):
        with pytest.raises(UserError, match=message):
            kl_between(codes, reference, 2)

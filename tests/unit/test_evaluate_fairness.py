import numpy as np
import pytest

from steadyflow.artifacts import UserError
from steadyflow.evaluate import kl_between, kl_divergence, kl_to_uniform, kl_with_interval


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


def test_divergence_between_sets():
    found = kl_between(np.array([0] * 25 + [1] * 75 + [-1] * 4), np.array([0] * 75 + [1] * 25 + [-1]), 2)
    assert found.value == kl_divergence([1, 3], [3, 1])
    assert (found.known, found.unknown) == (100, 4)
    assert found.ci_low < found.value < found.ci_high
    assert kl_between(np.arange(6) % 3, np.arange(9) % 3, 3).value == pytest.approx(0)


def test_divergence_between_sets_varies_as_both_do():
    """The bootstrap's spread is that of the whole experiment repeated, and wider than of one set alone."""
    rng = np.random.default_rng(2)

    def drawn(share, n=400):
        return np.where(rng.random(n) < share, 0, 1)

    values = [kl_between(drawn(0.7), drawn(0.4), 2, repeats=1).value for _ in range(2000)]
    found = [kl_between(drawn(0.7), drawn(0.4), 2, repeats=400) for _ in range(100)]
    widths = np.mean([each.ci_high - each.ci_low for each in found])
    assert widths == pytest.approx(np.subtract(*np.quantile(values, (0.975, 0.025))), rel=0.1)
    truth = kl_divergence([0.7, 0.3], [0.4, 0.6])
    assert np.mean([each.ci_low <= truth <= each.ci_high for each in found]) > 0.85
    alone = [kl_between(drawn(0.7), drawn(0.4, 10**6), 2, repeats=400) for _ in range(20)]
    assert np.mean([each.ci_high - each.ci_low for each in alone]) < 0.8 * widths


def test_what_only_the_reference_lacks_is_infinitely_far():
    found = kl_between(np.array([0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert found.value == found.ci_high == np.inf and not np.isnan(found.ci_low)
    rare = kl_between(np.array([0] * 50 + [1]), np.array([0] * 50 + [1]), 2)
    assert rare.value == 0 and rare.ci_high == np.inf


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

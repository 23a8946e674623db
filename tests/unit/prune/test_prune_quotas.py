from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steadyflow.ground.artifacts import UserError
from steadyflow.prune import balanced_quotas, keep_count, proportional_quotas


@st.composite
def cases(draw):
    """Sizes of a few small groups, and how many to keep of all."""
    sizes = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
    return np.array(sizes), draw(st.integers(0, sum(sizes)))


def allocations(sizes, keep):
    return [q for q in product(*(range(size + 1) for size in sizes)) if sum(q) == keep]


@pytest.mark.parametrize(
    ("n", "pruning_fraction", "kept"),
    [
        (10, 0.95, 1),  # 0.5 rounds up
        (10, 0.0, 10),
        (7, 0.5, 4),
        (28000, 0.9, 2800),
        (1_281_167, 0.75, 320_292),
        (1000, 0.9995, 1),
        (1000, 0.9996, 0),
        (30, 0.1, 27),
        (50, 0.29, 36),  # 35.5, although (1 - 0.29) * 50 = 35.49999...
    ],
)
def test_keep_count_rounds_half_up(n, pruning_fraction, kept):
    assert keep_count(n, pruning_fraction) == kept
    assert keep_count(n, np.float64(pruning_fraction)) == kept


@pytest.mark.parametrize("pruning_fraction", [-0.1, 1.0, 1.5, float("nan")])
def test_keep_count_refuses(pruning_fraction):
    with pytest.raises(UserError, match="fraction removed"):
        keep_count(10, pruning_fraction)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_proportional_is_closest_to_the_exact_shares(case):
    sizes, keep = case
    quotas = proportional_quotas(sizes, keep)
    assert quotas.dtype == np.int64
    assert quotas.sum() == keep
    assert (quotas <= sizes).all()
    share = sizes * keep / max(sizes.sum(), 1)
    best = min(np.square(np.array(q) - share).sum() for q in allocations(sizes, keep))
    assert np.square(quotas - share).sum() == pytest.approx(best, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_balanced_is_max_min_fair(case):
    sizes, keep = case
    quotas = balanced_quotas(sizes, keep)
    assert quotas.sum() == keep
    assert (quotas <= sizes).all()
    # Max-min fair: sorted from the smallest, no allocation is lexicographically greater.
    assert sorted(quotas.tolist()) == max(sorted(q) for q in allocations(sizes, keep))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2000), min_size=1, max_size=300), st.floats(0, 1))
def test_totals_are_exact_at_any_size(sizes, share):
    keep = int(share * sum(sizes))
    for quotas in (proportional_quotas(sizes, keep), balanced_quotas(sizes, keep)):
        assert quotas.sum() == keep
        assert (quotas >= 0).all()
        assert (quotas <= sizes).all()


def test_ties_go_to_the_lower_index():
    assert proportional_quotas([5, 5, 5], 7).tolist() == [3, 2, 2]
    assert balanced_quotas([5, 1, 5, 5], 9).tolist() == [3, 1, 3, 2]
    assert balanced_quotas([1, 100, 3], 10).tolist() == [1, 6, 3]


def test_large_sizes_do_not_overflow():
    assert proportional_quotas([1_281_167, 1_281_167], 1_281_167).sum() == 1_281_167


@pytest.mark.parametrize("quotas", [proportional_quotas, balanced_quotas])
@pytest.mark.parametrize("keep", [-1, 7])
def test_quotas_refuse_what_is_not_there(quotas, keep):
    with pytest.raises(UserError, match="cannot keep"):
        quotas([1, 2, 3], keep)

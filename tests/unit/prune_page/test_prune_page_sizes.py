"""Group sizes against brute force."""

from collections import Counter

import numpy as np
import pytest

from steadyflow.prune_page.facts import Grouping
from steadyflow.prune_page.sizes import ATTRIBUTES_SHOWN, grouping, most_shifted


def test_group_sizes_are_counts_without_the_unknown():
    codes, kept = np.random.default_rng(0).integers(-1, 4, 300), np.arange(300) % 3 == 0
    found = grouping("colour", list("abcde"), codes, kept)
    assert list(found.before) == [Counter(codes.tolist())[code] for code in range(5)]
    assert list(found.after) == [Counter(codes[kept].tolist())[code] for code in range(5)]
    assert sum(found.before) == (codes >= 0).sum() < 300


def test_shift_is_the_total_variation_of_shares():
    assert Grouping("", "ab", [30, 10], [15, 5]).shift == 0
    assert Grouping("", "ab", [30, 10], [0, 5]).shift == pytest.approx(0.75)
    assert Grouping("", "ab", [0, 0], [0, 0]).shift == 0


def test_the_attributes_that_change_most_come_first():
    still, moved = Grouping("still", "ab", [2, 2], [1, 1]), Grouping("moved", "ab", [2, 2], [2, 0])
    assert most_shifted([still, moved]) == [moved, still]
    assert len(most_shifted([still] * 40)) == ATTRIBUTES_SHOWN

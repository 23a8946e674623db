"""Examples of kept and dropped images."""

import numpy as np
import pytest

from steadyflow.prune_page.examples import (
    EXAMPLES_PER_ROW,
    FEWEST_EXAMPLES,
    examples_per_row,
    extreme_examples,
    random_examples,
)


def test_drawn_examples_follow_one_order():
    shuffled, kept = np.array([5, 2, 9, 7, 1, 4]), np.array([1, 2, 4, 5])
    assert [(row.kept, list(row.ids)) for row in random_examples(shuffled, kept, 3)] == [
        (True, [5, 2, 1]),
        (False, [9, 7]),
    ]


@pytest.mark.parametrize("kept_low", [True, False])
def test_ranked_examples_are_the_far_ends(kept_low):
    ids, value = np.arange(10) * 10, np.array([3, 1, 4, 1.5, 9, 2, 6, 5, 8, 7])
    chosen = value < 5 if kept_low else value > 5
    kept, dropped = extreme_examples(ids, value, "loss", ids[chosen], 2)
    low, high = [10, 30], [40, 80]
    assert (list(kept.ids), list(dropped.ids)) == ((low, high) if kept_low else (high, low))
    assert (kept.kept, dropped.kept) == (True, False)
    assert (kept.how, dropped.how) == (("lowest loss", "highest loss") if kept_low else ("highest loss", "lowest loss"))


def test_where_all_is_kept_nothing_is_ranked_apart():
    assert extreme_examples(np.arange(3), np.arange(3.0), "loss", np.arange(3), 2) == []


def test_examples_thin_out_with_the_number_of_subsets():
    counts = [examples_per_row(subsets) for subsets in range(1, 60)]
    assert counts[0] == EXAMPLES_PER_ROW
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == FEWEST_EXAMPLES

"""Criteria that select at random."""

from typing import Literal

import numpy as np

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.picking import check_keep, int64, shuffled_rows


def random_ids(ids: np.ndarray, keep: int, seed: int) -> np.ndarray:
    """`keep` of `ids` [n] at random; for one seed, smaller subsets are contained in larger ones.

    Raises UserError if `keep` is outside 1..n.
    """
    check_keep(keep, len(ids))
    return np.sort(int64(ids)[shuffled_rows(ids, seed, "random subset")[:keep]])


def random_half(ids: np.ndarray, part: Literal["a", "b"], seed: int) -> np.ndarray:
    """A random half of `ids` [n]: "a" has ceil(n/2) of them, "b" is the complement. Raises UserError if n < 2."""
    if len(ids) < 2:
        raise UserError(f"cannot halve a dataset of {len(ids)} samples; at least 2 are needed")
    order, middle = int64(ids)[shuffled_rows(ids, seed, "random halves")], -(-len(ids) // 2)
    return np.sort(order[:middle] if part == "a" else order[middle:])
